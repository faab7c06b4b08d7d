// gzip members (RFC 1952) to bytes, with a limit against bombs. The only file of the room that
// includes zlib is gunzip.cc. Not here: files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "kvlink/status.h"

namespace kvlink::data {

// Whether the bytes begin as a gzip member does.
bool IsGzip(std::span<const std::byte> bytes);

// All members, one after the other. kInvalidArgument, naming `path`, if they are damaged, end too
// early, or hold more than max_bytes.
Result<std::string> Gunzip(const std::string& path, std::span<const std::byte> bytes,
                           int64_t max_bytes);

}  // namespace kvlink::data

// A file's bytes as the text that its reader finds: decoded where they are text, and read in a
// process of its own where the reader's library may break.
#pragma once

#include <cstdint>
#include <string_view>

#include "kvlink/status.h"
#include "retrieval/formats.h"

namespace kvlink::retrieval {

struct DecodedFile {
  RepairedText text;      // of a format that is no text its bytes
  int64_t data_uris = 0;  // embedded files that were left out
};

// Failures name no file. kInvalidArgument: it should be text, and is not.
Result<DecodedFile> DecodeFile(const Format& format, std::string_view bytes);

// kUnsupported: the format has no reader here. kInvalidArgument: damaged, encrypted, or more work
// than such a file should be.
Result<FileText> ReadDecoded(const Format& format, const RepairedText& text);

}  // namespace kvlink::retrieval

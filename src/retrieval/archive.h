// The parts of a ZIP file, by name (libarchive). Pure: nothing is written to disk, and the names of
// parts are never opened as files.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "kvlink/status.h"

namespace kvlink::retrieval {

using ArchiveParts = std::map<std::string, std::string, std::less<>>;

// The parts whose names `wanted` takes; of equal names the first. kInvalidArgument: no ZIP file, a
// damaged or encrypted one, or one whose parts are larger than any such file's: more than
// kMostTextBytes in all, or 200 times the file and 16 MiB.
Result<ArchiveParts> ReadArchive(std::string_view bytes,
                                 const std::function<bool(std::string_view name)>& wanted);

}  // namespace kvlink::retrieval

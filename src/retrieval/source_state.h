// Whether a file is still as it was indexed. Cheap: its size and time of change are compared, its
// bytes only where these leave a doubt.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "kvlink/documents.h"

namespace kvlink::retrieval {

// How a file stood when it was read.
struct FileState {
  int64_t size_bytes = -1;  // -1: not known, as of standard input
  int64_t modified_ms = 0;  // Unix time
  int64_t device = 0;       // the file system it lay on
  std::string bytes_hash;   // SHA-256 in hex
  bool known() const { return size_bytes >= 0; }
};

// Of a file before its bytes are read (bytes_hash is empty); not known if it cannot be looked at.
FileState LookAtFile(FileSystem& files, const std::string& path);
std::string HashOfBytes(std::string_view bytes);

// "unknown", "same", "changed", "gone"
std::string_view Name(SourceState state);

// kGone: there is no such file any more. kUnknown: it cannot be looked at, or was no file, or the
// index does not say how it stood.
SourceState StateOf(FileSystem& files, const std::string& path, const FileState& indexed);

}  // namespace kvlink::retrieval

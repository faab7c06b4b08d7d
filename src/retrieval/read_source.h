// One source: read and hashed, then split into documents, which go on one by one. Memory holds the
// bytes of the source that is read, of a large .jsonl file a piece. Keeps nothing. Not here: which
// sources there are (retrieval/sources.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "kvlink/status.h"
#include "retrieval/jsonl.h"
#include "retrieval/source_state.h"
#include "retrieval/sources.h"

namespace kvlink::retrieval {

struct ReadOptions {
  int max_tokens = 200;
  int64_t max_file_bytes = 256 << 20;
  JsonlKeys keys{};  // of .jsonl
  // Files of .jsonl above it are read in pieces.
  int64_t most_whole_bytes = 8 << 20;
};

std::string DocumentId(std::string_view title, std::string_view text);

// A source as it was read. Its hash alone says whether it has to be split.
struct SourceBytes {
  std::string path;          // absolute; "-" or a name for standard input
  std::string content_hash;  // hex SHA-256 of the bytes, max_tokens and the splitter's version
  FileState state;           // not known for standard input
  std::string bytes;         // empty where they are read in pieces
  bool in_pieces = false;
};

// A file. kInvalidArgument: larger than max_file_bytes.
Result<SourceBytes> ReadSourceBytes(FileSystem& files, const std::string& path,
                                    const ReadOptions& options);
// Text that came from elsewhere (standard input).
SourceBytes SourceBytesOf(const std::string& name, std::string bytes, const ReadOptions& options);

using TokenCounter = std::function<int64_t(std::string_view)>;
using TakeDocument = std::function<Status(SourceDocument)>;

// Splits; `take` gets each document in the order of the text, and a failure of it is given back.
// The result has no documents. Empty texts give no documents and a note; binary files (NUL bytes)
// are refused with kInvalidArgument; text in another encoding is read as such, single bytes that
// are not UTF-8 are replaced, and both noted; a wrong jsonl line is a failure that names it, and
// kInvalidArgument if no line is right. Text of an unknown name is jsonl if every line is an
// object. Titles are bounded (retrieval/titles.h). A file that changed since it was hashed has no
// content_hash then.
Result<SourceFile> SplitSource(FileSystem& files, const SourceBytes& source,
                               const ReadOptions& options, const TokenCounter& count_tokens,
                               const TakeDocument& take);

}  // namespace kvlink::retrieval

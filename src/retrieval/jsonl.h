// One document a line: {"title": "...", "text": "..."}. "contents" and "content" stand for "text"
// too, unless the caller names the keys; a missing title is allowed, other fields are ignored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/status.h"

namespace kvlink::retrieval {

struct JsonlDocument {
  std::string title;
  std::string text;
  int64_t begin = 0;  // byte range of the line, without the newline and spaces around
  int64_t end = 0;
};

// Which fields hold what; empty: the usual ones.
struct JsonlKeys {
  std::string text;
  std::string title;
};

struct JsonlLines {
  std::vector<JsonlDocument> documents;
  std::vector<std::string> failures;  // "notes.jsonl: line 2: not JSON ...", for each wrong line
};

// Blank lines are left, wrong ones named; `name` is the file's.
// `first_line`: the number of the text's first line in the file.
JsonlLines ParseJsonl(const std::string& name, std::string_view text, const JsonlKeys& keys = {},
                      int64_t first_line = 1);

// Whether there is a line, and every line that is not blank is a JSON object.
bool IsJsonl(std::string_view text);

}  // namespace kvlink::retrieval

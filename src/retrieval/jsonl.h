// One document a line: {"title": "...", "text": "..."}. "contents" and "content" stand for "text"
// too, a missing title is allowed, other fields are ignored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/status.h"

namespace kvlink {

struct JsonlDocument {
  std::string title;
  std::string text;
  int64_t begin = 0;  // byte range of the line, without the newline and spaces around
  int64_t end = 0;
};

// Blank lines are left. kInvalidArgument names the first line that is wrong, and how; `name` is
// the file's.
Result<std::vector<JsonlDocument>> ParseJsonl(const std::string& name, std::string_view text);

// Whether there is a line, and every line that is not blank is a JSON object.
bool IsJsonl(std::string_view text);

}  // namespace kvlink

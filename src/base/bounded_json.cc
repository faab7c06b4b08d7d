#include "base/bounded_json.h"

namespace kvlink {

std::string_view BoundedJson(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;  // what is escaped ends no string
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return {};
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return text;
}

}  // namespace kvlink

#include "retrieval/front_matter.h"

#include <algorithm>
#include <utility>

#include "retrieval/text_structure.h"

namespace kvlink::retrieval {
namespace {

constexpr size_t kMostLines = 100;

std::string_view TrimmedView(std::string_view text) {
  const TextRange range = Trimmed(text, {0, text.size()});
  return text.substr(range.begin, range.size());
}

// The value of `title`, without its quotes; empty: another line.
std::string TitleOf(std::string_view line, bool toml) {
  constexpr std::string_view kKey = "title";
  if (!line.starts_with(kKey)) return {};
  std::string_view rest = TrimmedView(line.substr(kKey.size()));
  if (rest.empty() || rest[0] != (toml ? '=' : ':')) return {};
  rest = TrimmedView(rest.substr(1));
  const bool quoted = rest.size() >= 2 && rest.front() == rest.back() &&
                      (rest.front() == '"' || rest.front() == '\'');
  if (quoted) rest = rest.substr(1, rest.size() - 2);
  return rest.size() > kLongestHeading ? std::string() : OneSpaced(rest);
}

}  // namespace

FrontMatter FindFrontMatter(std::string_view text) {
  const auto line_end = [&](size_t at) { return std::min(text.find('\n', at), text.size()); };
  size_t end = line_end(0);
  const std::string_view mark = TrimmedView(text.substr(0, end));
  if (mark != "---" && mark != "+++") return {};
  const bool toml = mark == "+++";
  FrontMatter found;
  for (size_t i = 1; i < kMostLines && end < text.size(); ++i) {
    const size_t begin = end + 1;
    end = line_end(begin);
    const std::string_view line = text.substr(begin, end - begin);
    const std::string_view content = TrimmedView(line);
    if (content == mark || (!toml && content == "...")) {
      found.end = end;
      return found;
    }
    if (found.title.empty() && !line.empty() && !IsSpace(line[0])) {
      found.title = TitleOf(content, toml);
    }
  }
  return {};
}

std::string OneSpaced(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!IsSpace(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace kvlink::retrieval

// Fences and headings (retrieval/markdown.h).
#include "retrieval/markdown.h"

#include <algorithm>

namespace kvlink {
namespace {

constexpr size_t kLongestHeading = 200;
constexpr size_t kFrontMatterLines = 100;

struct Line {
  TextRange range;           // without the newline
  std::string_view content;  // without indentation and trailing space
  size_t indent = 0;         // spaces; a tab counts as four
};

Line MakeLine(std::string_view text, size_t begin, size_t end) {
  Line line;
  line.range = {begin, end};
  const TextRange trimmed = Trimmed(text, line.range);
  line.content = text.substr(trimmed.begin, trimmed.size());
  for (size_t i = begin; i < trimmed.begin; ++i) line.indent += text[i] == '\t' ? 4 : 1;
  return line;
}

// The line that begins at `at`; past the text's end an empty one.
Line LineAt(std::string_view text, size_t at) {
  at = std::min(at, text.size());
  return MakeLine(text, at, std::min(text.find('\n', at), text.size()));
}

size_t RunLength(std::string_view s, char c) { return std::min(s.find_first_not_of(c), s.size()); }

std::string OneSpaced(std::string_view s) {
  std::string out;
  for (const char c : s) {
    if (!IsSpace(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  return out;
}

// "## Heading ##" -> level 2 and its text; level 0 if the line is none.
int AtxHeading(const Line& line, std::string* heading) {
  const size_t level = RunLength(line.content, '#');
  if (line.indent > 3 || level == 0 || level > 6 || line.content.size() > kLongestHeading) return 0;
  std::string_view rest = line.content.substr(level);
  if (!rest.empty() && !IsSpace(rest[0])) return 0;
  const size_t last = rest.find_last_not_of('#');
  if (last != std::string_view::npos && IsSpace(rest[last])) rest = rest.substr(0, last);
  if (last == std::string_view::npos) rest = {};
  const TextRange trimmed = Trimmed(rest, {0, rest.size()});
  *heading = OneSpaced(rest.substr(trimmed.begin, trimmed.size()));
  return heading->empty() ? 0 : static_cast<int>(level);  // "##" alone names nothing: text
}

// 1 for a line of =, 2 for a line of -, else 0.
int SetextUnderline(const Line& line) {
  if (line.indent > 3 || line.content.empty()) return 0;
  const char mark = line.content[0];
  if (mark != '=' && mark != '-') return 0;
  if (RunLength(line.content, mark) != line.content.size()) return 0;
  return mark == '=' ? 1 : 2;
}

// Whether a line can be the one line of a setext heading: no list item, quotation, table or rule.
bool CanBeUnderlined(const Line& line) {
  if (line.content.empty() || line.indent > 3 || line.content.size() > kLongestHeading)
    return false;
  if (std::string_view(">|#").find(line.content[0]) != std::string_view::npos) return false;
  const bool bullet = line.content.size() > 1 && IsSpace(line.content[1]) &&
                      std::string_view("-*+").find(line.content[0]) != std::string_view::npos;
  return !bullet && SetextUnderline(line) == 0;
}

// Where a YAML block at the top ends ("---" to "---"), which would read as a setext heading.
size_t FrontMatterEnd(std::string_view text) {
  Line line = LineAt(text, 0);
  if (line.content != "---") return 0;
  for (size_t i = 1; i < kFrontMatterLines && line.range.end < text.size(); ++i) {
    line = LineAt(text, line.range.end + 1);
    if (line.content == "---" || line.content == "...") return line.range.end;
  }
  return 0;
}

class SectionBuilder {
 public:
  explicit SectionBuilder(std::string_view text) : text_(text) {}

  void Heading(int level, std::string heading, TextRange where, size_t body_begin) {
    CloseBody(where.begin, level);
    while (!open_.empty() && open_.back().level >= level) open_.pop_back();
    open_.push_back({level, std::move(heading), Trimmed(text_, where)});
    body_begin_ = body_begin;
  }

  std::vector<Section> Finish() && {
    CloseBody(text_.size(), 0);
    return std::move(sections_);
  }

 private:
  struct Open {
    int level;
    std::string heading;
    TextRange where;
  };

  std::string Title(size_t depth) const {
    std::string title;
    for (size_t i = 0; i < depth; ++i) title += (i == 0 ? "" : " > ") + open_[i].heading;
    return title;
  }

  // Ends the running body at `end`, where a heading of next_level begins (0: the text's end).
  void CloseBody(size_t end, int next_level) {
    const TextRange body = Trimmed(text_, {body_begin_, std::max(body_begin_, end)});
    if (!body.empty()) {
      sections_.push_back({Title(open_.size()), body});
    } else if (!open_.empty() && (next_level == 0 || next_level <= open_.back().level)) {
      // Nothing stands below this heading, so no title will name it.
      sections_.push_back({Title(open_.size() - 1), open_.back().where});
    }
  }

  std::string_view text_;
  std::vector<Open> open_;
  std::vector<Section> sections_;
  size_t body_begin_ = 0;
};

}  // namespace

bool FenceTracker::Feed(std::string_view line) {
  const Line l = MakeLine(line, 0, line.size());
  const char mark = l.content.empty() ? '\0' : l.content[0];
  const bool can_be_fence = l.indent <= 3 && (mark == '`' || mark == '~');
  const size_t length = can_be_fence ? RunLength(l.content, mark) : 0;
  const std::string_view info = l.content.substr(length);
  if (mark_ != 0) {
    if (mark == mark_ && length >= length_ && info.empty()) mark_ = 0;
    return true;
  }
  if (length < 3 || (mark == '`' && info.find('`') != std::string_view::npos)) return false;
  mark_ = mark;
  length_ = length;
  return true;
}

std::vector<Section> MarkdownSections(std::string_view text) {
  SectionBuilder builder(text);
  FenceTracker fence;
  bool after_paragraph = false;  // the line above belongs to a paragraph
  Line line;
  for (size_t at = FrontMatterEnd(text); at < text.size(); at = line.range.end + 1) {
    line = LineAt(text, at);
    if (fence.Feed(text.substr(line.range.begin, line.range.size()))) {
      after_paragraph = false;
      continue;
    }
    std::string heading;
    if (const int level = AtxHeading(line, &heading); level != 0) {
      builder.Heading(level, std::move(heading), line.range, line.range.end);
      after_paragraph = false;
      continue;
    }
    // Only a paragraph of one line: longer ones above a line of dashes are rules in practice.
    if (!after_paragraph && CanBeUnderlined(line)) {
      const Line below = LineAt(text, line.range.end + 1);
      if (const int level = SetextUnderline(below); level != 0) {
        builder.Heading(level, OneSpaced(line.content), {line.range.begin, below.range.end},
                        below.range.end);
        line = below;
        continue;
      }
    }
    after_paragraph = !line.content.empty();
  }
  return std::move(builder).Finish();
}

}  // namespace kvlink

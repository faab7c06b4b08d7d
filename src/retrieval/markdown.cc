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

// The value of a front matter's `title`, in YAML or TOML, without its quotes; empty: another line.
std::string TitleOf(std::string_view line, bool toml) {
  constexpr std::string_view kKey = "title";
  if (!line.starts_with(kKey)) return {};
  TextRange rest = Trimmed(line, {kKey.size(), line.size()});
  if (rest.empty() || line[rest.begin] != (toml ? '=' : ':')) return {};
  rest = Trimmed(line, {rest.begin + 1, rest.end});
  const bool quoted = rest.size() >= 2 && line[rest.begin] == line[rest.end - 1] &&
                      (line[rest.begin] == '"' || line[rest.begin] == '\'');
  if (quoted) rest = {rest.begin + 1, rest.end - 1};
  if (rest.size() > kLongestHeading) return {};
  return OneSpaced(line.substr(rest.begin, rest.size()));
}

// Where a YAML ("---") or TOML ("+++") block at the top ends, behind its last line; 0: there is
// none.
size_t FrontMatterEnd(std::string_view text, std::string* title) {
  Line line = LineAt(text, 0);
  const std::string_view mark = line.content;
  if (mark != "---" && mark != "+++") return 0;
  const bool toml = mark == "+++";
  std::string found;
  for (size_t i = 1; i < kFrontMatterLines && line.range.end < text.size(); ++i) {
    line = LineAt(text, line.range.end + 1);
    if (line.content == mark || (!toml && line.content == "...")) {
      *title = std::move(found);
      return line.range.end;
    }
    if (found.empty() && line.indent == 0) found = TitleOf(line.content, toml);
  }
  return 0;
}

bool BeginsWithTag(std::string_view line, std::string_view name) {
  if (line.size() < name.size() + 1 || line[0] != '<') return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if ((line[i + 1] | 0x20) != name[i]) return false;
  }
  const size_t after = name.size() + 1;
  return after == line.size() || line[after] == '>' || IsSpace(line[after]);
}

bool ContainsIgnoringCase(std::string_view line, std::string_view lower) {
  return std::search(line.begin(), line.end(), lower.begin(), lower.end(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         }) != line.end();
}

// "|---|:--:|": the row under a table's header.
bool IsDelimiterRow(std::string_view line) {
  return line.find('|') != std::string_view::npos && line.find('-') != std::string_view::npos &&
         line.find_first_not_of("|-: \t\r") == std::string_view::npos;
}

class SectionBuilder {
 public:
  // front_title: the title of the text up to `body_begin`; may be empty.
  SectionBuilder(std::string_view text, std::string front_title, size_t body_begin)
      : text_(text), front_title_(std::move(front_title)), body_begin_(body_begin) {}

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
    std::string title = front_title_;
    for (size_t i = 0; i < depth; ++i) {
      if (i == 0 && open_[i].heading == front_title_) continue;  // said twice in the text
      title += (title.empty() ? "" : " > ") + open_[i].heading;
    }
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
  std::string front_title_;
  std::vector<Open> open_;
  std::vector<Section> sections_;
  size_t body_begin_;
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

bool RawHtmlTracker::Feed(std::string_view line) {
  const Line l = MakeLine(line, 0, line.size());
  std::string_view rest = l.content;
  if (end_.empty()) {
    if (l.indent > 3 || rest.size() < 2 || rest[0] != '<') return false;
    if (rest.starts_with("<!--")) {
      end_ = "-->";
      rest = rest.substr(4);
    } else if (rest.starts_with("<?")) {
      end_ = "?>";
    } else if (rest.starts_with("<![CDATA[")) {
      end_ = "]]>";
    } else if (rest[1] == '!') {
      end_ = ">";
    } else if (BeginsWithTag(rest, "pre")) {
      end_ = "</pre>";
    } else if (BeginsWithTag(rest, "script")) {
      end_ = "</script>";
    } else if (BeginsWithTag(rest, "style")) {
      end_ = "</style>";
    } else if (BeginsWithTag(rest, "textarea")) {
      end_ = "</textarea>";
    } else {
      return false;
    }
  }
  if (ContainsIgnoringCase(rest, end_)) end_ = {};
  return true;
}

std::vector<TableHeader> TableHeaders(std::string_view text, TextRange range) {
  std::vector<TableHeader> tables;
  const std::string_view seen = text.substr(0, range.end);
  FenceTracker fence;
  Line above;  // empty where it belongs to no paragraph
  for (size_t at = range.begin; at < range.end;) {
    Line line = LineAt(seen, at);
    at = line.range.end + 1;
    if (fence.Feed(seen.substr(line.range.begin, line.range.size()))) {
      above = {};
      continue;
    }
    const bool table = IsDelimiterRow(line.content) &&
                       above.content.find('|') != std::string_view::npos &&
                       !IsDelimiterRow(above.content);
    if (!table) {
      above = line;
      continue;
    }
    TableHeader header{{above.range.begin, line.range.end}, line.range.end};
    while (at < range.end) {
      line = LineAt(seen, at);
      if (line.content.find('|') == std::string_view::npos) break;
      header.rows_end = line.range.end;
      at = line.range.end + 1;
    }
    tables.push_back(header);
    above = {};
  }
  return tables;
}

std::vector<Section> MarkdownSections(std::string_view text) {
  std::string title;
  const size_t front_end = FrontMatterEnd(text, &title);
  if (Trimmed(text, {front_end, text.size()}).empty() && front_end != 0) {
    return {{std::move(title), Trimmed(text, {0, text.size()})}};
  }
  SectionBuilder builder(text, std::move(title), front_end);
  FenceTracker fence;
  RawHtmlTracker html;
  bool in_html = false;
  bool after_paragraph = false;  // the line above belongs to a paragraph
  Line line;
  for (size_t at = front_end; at < text.size(); at = line.range.end + 1) {
    line = LineAt(text, at);
    const std::string_view whole = text.substr(line.range.begin, line.range.size());
    // A fence in a comment opens none, nor does a comment in fenced code.
    const bool in_fence = !in_html && fence.Feed(whole);
    in_html = !in_fence && html.Feed(whole);
    if (in_fence || in_html) {
      in_html = html.inside();
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

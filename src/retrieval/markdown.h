// As much of Markdown (CommonMark 0.30) as cutting a text needs: fenced code, comments and raw HTML
// that hold no headings, front matter, tables' header rows, and the headings that open sections.
// Pure. Nothing is rendered, nothing else is recognised.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "retrieval/boundaries.h"

namespace kvlink {

// Fed with one line after the other, knows which of them are code between ``` or ~~~ fences.
class FenceTracker {
 public:
  // Whether the line belongs to fenced code, the fences themselves included.
  bool Feed(std::string_view line);

 private:
  char mark_ = 0;  // 0: outside
  size_t length_ = 0;
};

struct Section {
  // Headings from the top, joined by " > "; the first is the front matter's title, if it has one.
  // Empty before the first heading.
  std::string title;
  TextRange body;  // trimmed, not empty
};

// Fed with one line after the other, knows which of them are raw HTML that goes on over blank lines
// (CommonMark 4.6, kinds 1 to 5): comments, <pre>, <script>, <style>, <textarea>, <?...?>, <!...>.
class RawHtmlTracker {
 public:
  // Whether the line belongs to such a block.
  bool Feed(std::string_view line);
  // Whether the next line does.
  bool inside() const { return !end_.empty(); }

 private:
  std::string_view end_;  // what ends it; empty: outside
};

// The header row and the row of dashes of each table in `range`, without the last newline, and
// where the table's rows end.
struct TableHeader {
  TextRange header;
  size_t rows_end = 0;
};
std::vector<TableHeader> TableHeaders(std::string_view text, TextRange range);

// The sections in order. Front matter ("---" or "+++" at the top, to the same) is in none, unless
// there is nothing else. Every other character that is not a space stands in a body or in a
// heading, and every heading in the title of some section; a heading that nothing follows is itself
// the body, under the headings above it. Lines longer than 200 bytes are never headings, for titles
// go with every part.
std::vector<Section> MarkdownSections(std::string_view text);

}  // namespace kvlink

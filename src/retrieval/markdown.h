// As much of Markdown (CommonMark 0.30) as cutting a text needs: fenced code, and the headings that
// open sections. Pure. Nothing is rendered, nothing else is recognised.
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
  std::string title;  // headings from the top, joined by " > "; empty before the first heading
  TextRange body;     // trimmed, not empty
};

// The sections in order. Every character that is not a space stands in a body or in a heading, and
// every heading in the title of some section; a heading that nothing follows is itself the body,
// under the headings above it. Lines longer than 200 bytes are never headings, for titles go with
// every part.
std::vector<Section> MarkdownSections(std::string_view text);

}  // namespace kvlink

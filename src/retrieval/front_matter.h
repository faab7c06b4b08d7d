// The YAML ("---") or TOML ("+++") block at the top of a Markdown file. Pure. Only its title is
// read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kvlink::retrieval {

struct FrontMatter {
  size_t end = 0;     // behind its last line; 0: there is none
  std::string title;  // one line, or empty
};

FrontMatter FindFrontMatter(std::string_view text);

// The words of a text, one space between two.
std::string OneSpaced(std::string_view text);

}  // namespace kvlink::retrieval

// Cuts a text into documents of at most max_tokens: at headings, then paragraphs, then sentences,
// then words. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "retrieval/text_structure.h"

namespace kvlink::retrieval {

struct TextPart {
  std::string title;  // the heading path ("Guide > Install"), or empty
  // Trimmed; never empty. A part that begins inside a table has the table's header before it, which
  // stands outside begin..end.
  std::string text;
  int64_t begin = 0;  // byte range in the text that was split
  int64_t end = 0;
};

// count_tokens: tokens of a text under the model's tokenizer.
std::vector<TextPart> SplitText(std::string_view text, const TextStructure& structure,
                                int max_tokens,
                                const std::function<int64_t(std::string_view)>& count_tokens);

}  // namespace kvlink::retrieval

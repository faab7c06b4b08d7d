// Titles of documents: every part of a document stands under one, so they are bounded. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace kvlink::retrieval {

// Most tokens of a title, where a document has at most max_tokens.
int64_t MostTitleTokens(int max_tokens);

// Valid UTF-8 of at most most_tokens tokens; what is cut is shown by an ellipsis. *cut becomes true
// if anything was.
std::string BoundedTitle(std::string_view title, int64_t most_tokens,
                         const std::function<int64_t(std::string_view)>& count_tokens, bool* cut);

}  // namespace kvlink::retrieval

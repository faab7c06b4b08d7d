// Untrusted JSON before it is parsed. The JSON library parses without recursion, but copies and
// writes values recursively: some hundred thousand brackets would use up the stack.
#pragma once

#include <string_view>

namespace kvlink {

inline constexpr int kMaxJsonDepth = 64;  // lists and objects within each other

// The text itself; an empty text, which is no JSON, where it nests deeper than kMaxJsonDepth.
// Pure; does not check that the text is JSON.
std::string_view BoundedJson(std::string_view text);

}  // namespace kvlink

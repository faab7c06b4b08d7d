// Untrusted JSON before it is parsed. The JSON library parses without recursion, but copies and
// writes values recursively: some hundred thousand brackets would use up the stack.
#pragma once

#include <string_view>

namespace kvlink {

inline constexpr int kMaxJsonDepth = 64;  // lists and objects within each other

// The text itself; an empty text, which is no JSON, where it nests deeper than kMaxJsonDepth.
// Pure; does not check that the text is JSON.
std::string_view BoundedJson(std::string_view text);

// As nlohmann's Json::parse, of a bounded text and without exceptions: what is no JSON, or nests
// too deep, is_discarded().
template <class Json>
Json ParseBoundedJson(std::string_view text) {
  return Json::parse(BoundedJson(text), nullptr, /*allow_exceptions=*/false);
}

}  // namespace kvlink

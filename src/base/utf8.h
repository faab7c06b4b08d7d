// UTF-8 one character at a time, as Unicode 15 defines it (3.9, table 3-7). Not here: what
// characters mean (pre_tokenizer.cc asks PCRE2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvlink {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct Utf8Step {
  enum Kind : uint8_t {
    kWhole,      // a well-formed character
    kIllFormed,  // a maximal subpart that no further byte can make well-formed
    kCut,        // well-formed so far, but the text ends
  };
  uint32_t size = 0;  // bytes, 1..4
  Kind kind = kWhole;
};

// What stands at `at`. REQUIRES: at < text.size()
Utf8Step NextUtf8(std::string_view text, size_t at);

// The end of the well-formed text that starts at `at`: text.size(), or where NextUtf8 is not
// kWhole.
size_t WellFormedEnd(std::string_view text, size_t at);

// Text made valid UTF-8: each ill-formed sequence becomes U+FFFD (Unicode 15, 3.9, maximal
// subparts). `replaced` (if given) counts them.
std::string ToValidUtf8(std::string_view text, int64_t* replaced);

// The longest prefix of `bytes` that ends on a whole UTF-8 character: what a stream may print now.
size_t CompleteUtf8Prefix(std::string_view bytes);

}  // namespace kvlink

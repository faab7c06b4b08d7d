// Characters (eval/characters.h) by ICU.
#include "eval/characters.h"

#include "text/unicode.h"

namespace kvlink::eval {
namespace {

constexpr uint32_t kCapitalSigma = 0x3a3;
constexpr uint32_t kFinalSigma = 0x3c2;

bool WordAt(std::string_view text, size_t at) {
  size_t size = 0;
  return at < text.size() && IsWordCharacter(DecodeCharacter(text, at, &size));
}

}  // namespace

uint32_t DecodeCharacter(std::string_view text, size_t at, size_t* size) {
  size_t next = at;
  const uint32_t c = text::NextCharacter(text, &next);
  *size = c == text::kNoCharacter ? 1 : next - at;
  return c;
}

std::string LowerCase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool after_word = false;
  for (size_t at = 0, size = 0; at < text.size(); at += size) {
    const uint32_t c = DecodeCharacter(text, at, &size);
    if (c == text::kNoCharacter) {
      out.push_back(text[at]);
    } else if (c == 0x130) {  // the one character whose lower case is two: i and a dot above
      out += "i\xcc\x87";
    } else if (c == kCapitalSigma && after_word && !WordAt(text, at + size)) {
      text::AppendCharacter(kFinalSigma, &out);
    } else {
      text::AppendCharacter(text::SimpleLowerCase(c), &out);
    }
    after_word = IsWordCharacter(c);
  }
  return out;
}

bool IsWordCharacter(uint32_t c) { return c == '_' || text::IsLetterOrNumber(c); }

bool IsSpaceCharacter(uint32_t c) { return text::IsWhiteSpace(c) || (c >= 0x1c && c <= 0x1f); }

}  // namespace kvlink::eval

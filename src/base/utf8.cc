// UTF-8: well-formed characters, repair, and what a stream may print. The table is Unicode's own
// (15.0, table 3-7), so that one ill-formed sequence gives one U+FFFD, as browsers do it.
#include "base/utf8.h"

#include <cstring>
#include <string>

namespace kvlink {
namespace {

struct Lead {
  uint32_t size = 0;                // 0: no character starts so
  uint8_t low = 0x80, high = 0xBF;  // what the second byte may be
};

Lead LeadOf(uint8_t b) {
  if (b < 0x80) return {1, 0, 0};
  if (b < 0xC2) return {};  // a continuation byte, or an overlong form of ASCII
  if (b < 0xE0) return {2, 0x80, 0xBF};
  if (b == 0xE0) return {3, 0xA0, 0xBF};
  if (b == 0xED) return {3, 0x80, 0x9F};  // surrogates are no characters
  if (b < 0xF0) return {3, 0x80, 0xBF};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b < 0xF4) return {4, 0x80, 0xBF};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

}  // namespace

Utf8Step NextUtf8(std::string_view text, size_t at) {
  const Lead lead = LeadOf(static_cast<uint8_t>(text[at]));
  if (lead.size == 0) return {1, Utf8Step::kIllFormed};
  uint8_t low = lead.low;
  uint8_t high = lead.high;
  for (uint32_t n = 1; n < lead.size; ++n) {
    if (at + n == text.size()) return {n, Utf8Step::kCut};
    const uint8_t b = static_cast<uint8_t>(text[at + n]);
    if (b < low || b > high) return {n, Utf8Step::kIllFormed};
    low = 0x80;
    high = 0xBF;
  }
  return {lead.size, Utf8Step::kWhole};
}

size_t WellFormedEnd(std::string_view text, size_t at) {
  while (at < text.size()) {
    uint64_t eight;
    if (text.size() - at >= sizeof(eight)) {  // most text is ASCII: eight bytes at once
      std::memcpy(&eight, text.data() + at, sizeof(eight));
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof(eight);
        continue;
      }
    }
    const Utf8Step step = NextUtf8(text, at);
    if (step.kind != Utf8Step::kWhole) return at;
    at += step.size;
  }
  return at;
}

std::string ToValidUtf8(std::string_view text, int64_t* replaced) {
  std::string out;
  out.reserve(text.size());
  int64_t count = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = WellFormedEnd(text, at);
    out.append(text.substr(at, end - at));
    at = end;
    if (at == text.size()) break;
    at += NextUtf8(text, at).size;
    out.append(kReplacementCharacter);
    ++count;
  }
  if (replaced != nullptr) *replaced = count;
  return out;
}

size_t CompleteUtf8Prefix(std::string_view bytes) {
  // Only a character that the end cuts off can still become whole, and it has at most 3 bytes yet.
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const size_t at = bytes.size() - back;
    const Utf8Step step = NextUtf8(bytes, at);
    if (step.kind == Utf8Step::kCut && step.size == back) return at;
  }
  return bytes.size();
}

}  // namespace kvlink

// Quoting for messages: at most 60 bytes, controls and ill-formed bytes as \xNN.
#include "base/quote.h"

#include <algorithm>
#include <cstdint>

#include "base/utf8.h"

namespace kvlink {
namespace {

// Of the character (or ill-formed bytes) of `step` at `at`.
bool IsPrintable(std::string_view text, size_t at, const Utf8Step& step) {
  const uint8_t byte = static_cast<uint8_t>(text[at]);
  // C1 controls (U+0080..U+009F) steer terminals as the ASCII ones do.
  const bool c1 = byte == 0xC2 && step.size == 2 && static_cast<uint8_t>(text[at + 1]) < 0xA0;
  return step.kind == Utf8Step::kWhole && byte >= 0x20 && byte != 0x7F && !c1;
}

}  // namespace

std::string Quoted(std::string_view text) {
  constexpr size_t kMaxBytes = 60;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  size_t at = 0;
  while (at < std::min(text.size(), kMaxBytes)) {
    const Utf8Step step = NextUtf8(text, at);
    if (!IsPrintable(text, at, step)) {
      for (size_t i = at; i < at + step.size; ++i) {
        const uint8_t b = static_cast<uint8_t>(text[i]);
        out += "\\x";
        out += kHex[b >> 4];
        out += kHex[b & 15];
      }
    } else {
      out.append(text.substr(at, step.size));
    }
    at += step.size;
  }
  out += at < text.size() ? "...\"" : "\"";
  return out;
}

bool IsPrintableLine(std::string_view text) { return PrintableLine(text) == text; }

std::string PrintableLine(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = NextUtf8(text, at);
    out += IsPrintable(text, at, step) ? text.substr(at, step.size) : "?";
    at += step.size;
  }
  return out;
}

}  // namespace kvlink

// Characters (eval/characters.h): tables, and UTF-8 in and out.
#include "eval/characters.h"

#include <algorithm>
#include <iterator>

#include "eval/unicode_tables.h"
#include "text/utf8.h"

namespace kvlink {
namespace {

constexpr uint32_t kCapitalSigma = 0x3a3;
constexpr uint32_t kFinalSigma = 0x3c2;

uint32_t LowerOf(uint32_t c) {
  const auto* range = std::partition_point(std::begin(kLowerCase), std::end(kLowerCase),
                                           [&](const LowerCaseRange& r) { return r.last < c; });
  if (range == std::end(kLowerCase) || c < range->first || (c - range->first) % range->stride) {
    return c;
  }
  return static_cast<uint32_t>(static_cast<int64_t>(c) + range->delta);
}

void Append(uint32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xc0 | c >> 6));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | c >> 12));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | c >> 18));
    out->push_back(static_cast<char>(0x80 | (c >> 12 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

bool WordAt(std::string_view text, size_t at) {
  size_t size = 0;
  return at < text.size() && IsWordCharacter(DecodeCharacter(text, at, &size));
}

}  // namespace

uint32_t DecodeCharacter(std::string_view text, size_t at, size_t* size) {
  const uint8_t lead = static_cast<uint8_t>(text[at]);
  *size = 1;
  if (lead < 0x80) return lead;
  const Utf8Step step = NextUtf8(text, at);
  if (step.kind != Utf8Step::kWhole) return kNoCharacter;
  *size = step.size;
  uint32_t c = lead & (0x7fu >> step.size);
  for (size_t i = 1; i < step.size; ++i) c = c << 6 | (static_cast<uint8_t>(text[at + i]) & 0x3f);
  return c;
}

std::string LowerCase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool after_word = false;
  for (size_t at = 0, size = 0; at < text.size(); at += size) {
    const uint32_t c = DecodeCharacter(text, at, &size);
    if (c == kNoCharacter) {
      out.push_back(text[at]);
    } else if (c == 0x130) {  // the one character whose lower case is two: i and a dot above
      out += "i\xcc\x87";
    } else if (c == kCapitalSigma && after_word && !WordAt(text, at + size)) {
      Append(kFinalSigma, &out);
    } else {
      Append(LowerOf(c), &out);
    }
    after_word = IsWordCharacter(c);
  }
  return out;
}

bool IsWordCharacter(uint32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }
  const auto* edge = std::upper_bound(std::begin(kWordEdges), std::end(kWordEdges), c);
  return (edge - std::begin(kWordEdges)) % 2 == 1 && c != kNoCharacter;
}

bool IsSpaceCharacter(uint32_t c) {
  return (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= ' ') || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

}  // namespace kvlink

// GPT-2's byte alphabet, as two tables that the compiler makes.
#include "text/byte_alphabet.h"

#include <array>

#include "base/utf8.h"

namespace kvlink::text {
namespace {

constexpr int kCharacters = 0x144;  // one past the alphabet's last character

struct Alphabet {
  std::array<uint16_t, 256> character{};    // of a byte
  std::array<int16_t, kCharacters> byte{};  // of a character; -1: not in the alphabet
};

constexpr Alphabet MakeAlphabet() {
  Alphabet a;
  a.byte.fill(-1);
  uint16_t next = 0x100;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b > 0x20 && b < 0x7F) || (b > 0xA0 && b != 0xAD);
    a.character[b] = printable ? static_cast<uint16_t>(b) : next++;
    a.byte[a.character[b]] = static_cast<int16_t>(b);
  }
  return a;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

std::optional<std::string> BytesFromAlphabet(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  for (size_t at = 0; at < spelling.size();) {
    const Utf8Step step = NextUtf8(spelling, at);
    if (step.kind != Utf8Step::kWhole || step.size > 2) return std::nullopt;
    uint32_t character = static_cast<uint8_t>(spelling[at]);
    if (step.size == 2) {
      character = (character & 0x1F) << 6 | (static_cast<uint8_t>(spelling[at + 1]) & 0x3F);
    }
    if (character >= kCharacters || kAlphabet.byte[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte[character]));
    at += step.size;
  }
  return bytes;
}

std::string AlphabetFromBytes(std::string_view bytes) {
  std::string spelling;
  for (const char c : bytes) {
    const uint16_t character = kAlphabet.character[static_cast<uint8_t>(c)];
    if (character < 0x80) {
      spelling.push_back(static_cast<char>(character));
    } else {
      spelling.push_back(static_cast<char>(0xC0 | character >> 6));
      spelling.push_back(static_cast<char>(0x80 | (character & 0x3F)));
    }
  }
  return spelling;
}

}  // namespace kvlink::text

// The byte alphabet: known spellings, all bytes there and back, refusals.
#include "text/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace kvlink::text {
namespace {

TEST(ByteAlphabet, KnownSpellings) {
  EXPECT_EQ(AlphabetFromBytes(" the"), "\u0120the");
  EXPECT_EQ(AlphabetFromBytes("\n\t\r"), "\u010A\u0109\u010D");
  EXPECT_EQ(AlphabetFromBytes("\xC3\xA9"), "\u00C3\u00A9");
  EXPECT_EQ(AlphabetFromBytes(std::string(1, '\0')), "\u0100");
  EXPECT_EQ(AlphabetFromBytes("\x7F\xA0\xAD"), "\u0121\u0142\u0143");
}

TEST(ByteAlphabet, EveryByteHasItsOwnCharacterAndComesBack) {
  std::set<std::string> spellings;
  for (int b = 0; b < 256; ++b) {
    const std::string byte(1, static_cast<char>(b));
    const std::string spelling = AlphabetFromBytes(byte);
    EXPECT_EQ(BytesFromAlphabet(spelling), byte) << b;
    spellings.insert(spelling);
  }
  EXPECT_EQ(spellings.size(), 256u);
}

TEST(ByteAlphabet, RefusesWhatIsNotInIt) {
  for (const std::string text : {" ", "a b", "\n", "\u0144", "\u00AD", "\u65E5", "\xFF", "a\xC4"}) {
    EXPECT_EQ(BytesFromAlphabet(text), std::nullopt) << ::testing::PrintToString(text);
  }
  EXPECT_EQ(BytesFromAlphabet(""), "");
}

}  // namespace
}  // namespace kvlink::text

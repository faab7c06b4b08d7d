// UTF-8 repair and stream prefixes, against the examples of Unicode 15 (3.9, table 3-8 and its
// neighbours), and as properties over random bytes.
#include "base/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "text/tokenizer.h"

namespace kvlink {
namespace {

#define R "\xEF\xBF\xBD"

struct Case {
  std::string bytes;
  std::string repaired;
  int64_t replaced;
};

TEST(ToValidUtf8, OneReplacementPerMaximalSubpart) {
  const Case kCases[] = {
      {"", "", 0},
      {"plain", "plain", 0},
      {std::string("a\0b", 3), std::string("a\0b", 3), 0},
      {"caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x99\x82", "caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x99\x82", 0},
      {"\xF4\x8F\xBF\xBF\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF\xEF\xBF\xBF", 0},  // the last of each
      {"\x80", R, 1},
      {"\x80\xBF", R R, 2},
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", R R R R R R R R "A", 8},    // overlong: table 3-8
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", R R R R R R R R "A", 8},    // surrogates: table 3-9
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", R R R R R "A" R R "B", 7},  // table 3-10
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", R R R R "A", 4},            // table 3-11
      {"end \xE2\x82", "end " R, 1},
      {"\xF0\x9F\x99", R, 1},
      {"\xF5\xFE\xFF", R R R, 3},
      {"\xC3(", R "(", 1},
  };
  for (const Case& c : kCases) {
    int64_t replaced = -1;
    EXPECT_EQ(ToValidUtf8(c.bytes, &replaced), c.repaired) << ::testing::PrintToString(c.bytes);
    EXPECT_EQ(replaced, c.replaced) << ::testing::PrintToString(c.bytes);
  }
  EXPECT_EQ(ToValidUtf8("a\xFF", nullptr), "a" R);
}

TEST(CompleteUtf8Prefix, HoldsBackOnlyWhatCanStillBecomeACharacter) {
  const struct {
    std::string bytes;
    size_t prefix;
  } kCases[] = {
      {"", 0},
      {"abc", 3},
      {"ab\xC3", 2},
      {"ab\xC3\xA9", 4},
      {"ab\xE2", 2},
      {"ab\xE2\x82", 2},
      {"ab\xE2\x82\xAC", 5},
      {"ab\xF0\x9F\x99", 2},
      {"ab\xF0\x9F\x99\x82", 6},
      {"ab\x80", 3},  // never becomes one
      {"ab\xFF", 3},
      {"ab\xE0\x80", 4},        // overlong: already ill-formed
      {"ab\xED\xA0", 4},        // half a surrogate
      {"\xF0\x9F\xE2\x82", 2},  // ill-formed, then a cut character
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(CompleteUtf8Prefix(c.bytes), c.prefix) << ::testing::PrintToString(c.bytes);
  }
}

// Bytes among which well-formed and nearly well-formed sequences are frequent.
rc::Gen<std::string> Bytes() {
  return rc::gen::container<std::string>(rc::gen::oneOf(
      rc::gen::arbitrary<char>(),
      rc::gen::elementOf(std::string("\xE2\x82\xAC\xF0\x9F\x99\x82\xC3\xED\xA0\xF4\x8F 'a"))));
}

RC_GTEST_PROP(ToValidUtf8, IsWellFormedAndTheSameTwice, ()) {
  const std::string bytes = *Bytes();
  int64_t replaced = 0;
  const std::string once = ToValidUtf8(bytes, &replaced);
  RC_ASSERT(WellFormedEnd(once, 0) == once.size());
  int64_t again = -1;
  RC_ASSERT(ToValidUtf8(once, &again) == once);
  RC_ASSERT(again == 0);
  RC_ASSERT((replaced == 0) == (once == bytes));
}

RC_GTEST_PROP(CompleteUtf8Prefix, AStreamCutAnywhereRepairsToTheSameText, ()) {
  const std::string bytes = *Bytes();
  std::string held, printed;
  for (const char c : bytes) {
    held.push_back(c);
    const size_t n = CompleteUtf8Prefix(held);
    RC_ASSERT(held.size() - n <= 3u);
    printed += ToValidUtf8(held.substr(0, n), nullptr);
    held.erase(0, n);
  }
  printed += ToValidUtf8(held, nullptr);
  RC_ASSERT(printed == ToValidUtf8(bytes, nullptr));
}

}  // namespace
}  // namespace kvlink

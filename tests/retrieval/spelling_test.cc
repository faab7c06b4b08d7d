#include "retrieval/spelling.h"

#include <gtest/gtest.h>

namespace kvlink::retrieval {
namespace {

TEST(Spelling, CountsWrongLetters) {
  const struct {
    const char *a, *b;
    int most, expected;
  } cases[] = {
      {"umbrela", "umbrella", 2, 1}, {"ferry", "ferry", 2, 0},
      {"ferry", "fery", 2, 1},       {"ferry", "frery", 2, 1},
      {"ferry", "fairy", 2, 2},      {"", "ab", 2, 2},
      {"abc", "xyz", 2, 3},          {"abc", "xyz", 1, 2},
      {"abcdef", "ab", 3, 4},        {"stra\u00dfe", "strase", 2, 1},  // one character, two bytes
      {"\xff\xfe", "\xff", 2, 1},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(SpellingDistance(c.a, c.b, c.most), c.expected) << c.a << " " << c.b;
    EXPECT_EQ(SpellingDistance(c.b, c.a, c.most), c.expected) << c.b << " " << c.a;
  }
  EXPECT_EQ(SpellingTolerance(3), 0);
  EXPECT_EQ(SpellingTolerance(7), 1);
  EXPECT_EQ(SpellingTolerance(8), 2);
}

}  // namespace
}  // namespace kvlink::retrieval

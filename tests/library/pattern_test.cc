// Patterns of names (src/library/pattern.h).
#include "library/pattern.h"

#include <gtest/gtest.h>

namespace kvlink::library {
namespace {

TEST(Pattern, MatchesAsAShellDoes) {
  for (const auto& [pattern, text, expected] : {std::tuple{"*.md", "a.md", true},
                                                {"*.md", ".md", true},
                                                {"*.md", "a.mdx", false},
                                                {"a*b*c", "a/b/xbc", true},
                                                {"a*b*c", "a/b/xb", false},
                                                {"*", "", true},
                                                {"", "", true},
                                                {"", "a", false},
                                                {"a", "", false},
                                                {"**a**", "bab", true},
                                                {"?", "", false},
                                                {"[ab]", "b", true},
                                                {"[ab]", "c", false},
                                                {"[!ab]", "c", true},
                                                {"[^ab]", "a", false},
                                                {"[b-d]x", "cx", true},
                                                {"[b-d]x", "ex", false},
                                                {"[]a]", "]", true},
                                                {"[a-]", "-", true},
                                                {"[a", "[a", true},
                                                {"[a", "a", false},
                                                {"\\*", "*", true},
                                                {"\\*", "a", false},
                                                {"[\\]]", "]", true},
                                                {"\\", "\\", true},
                                                {"[", "[", true},
                                                {"*[", "x[", true}}) {
    EXPECT_EQ(MatchesPattern(pattern, text), expected) << pattern << " of " << text;
  }
}

TEST(Pattern, CountsCharacters) {
  EXPECT_TRUE(MatchesPattern("?.txt", "ä.txt"));
  EXPECT_TRUE(MatchesPattern("?.txt", "日.txt"));
  EXPECT_FALSE(MatchesPattern("??.txt", "ä.txt"));
  EXPECT_TRUE(MatchesPattern("[äö]", "ö"));
  EXPECT_TRUE(MatchesPattern("[à-ö]", "ä"));
  EXPECT_FALSE(MatchesPattern("[äö]", "\xc3"));
  EXPECT_FALSE(MatchesPattern("[!ä]?", "ä"));
  EXPECT_TRUE(MatchesPattern("caf?.*", "caf\xe9.txt"));  // not UTF-8: a byte
}

TEST(Pattern, EscapedIsItself) {
  const std::string odd = "a*b?[c]\\ä";
  EXPECT_TRUE(MatchesPattern(EscapedPattern(odd), odd));
  EXPECT_FALSE(MatchesPattern(EscapedPattern(odd), "axb?[c]\\ä"));
  EXPECT_FALSE(MatchesPattern(EscapedPattern("[c]"), "c"));
  EXPECT_TRUE(IsPattern("a?"));
  EXPECT_FALSE(IsPattern("a.md"));
}

}  // namespace
}  // namespace kvlink::library

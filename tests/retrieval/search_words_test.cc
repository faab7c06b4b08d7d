#include "retrieval/search_words.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace kvlink::retrieval {
namespace {

using Strings = std::vector<std::string>;

Strings Words(std::string_view text) {
  Strings words;
  for (const SearchWord& word : SearchWords(text)) {
    if (word.form == SearchWord::kWord) words.push_back(word.word);
  }
  return words;
}

bool Has(std::string_view text, std::string_view wanted) {
  const std::vector<SearchWord> words = SearchWords(text);
  return std::any_of(words.begin(), words.end(),
                     [&](const SearchWord& word) { return word.word == wanted; });
}

TEST(SearchWords, EndAtEverythingThatIsNoLetterOrNumber) {
  const Strings ferry_captain{"ferri", "captain"};
  for (const std::string_view between :
       {" ",      "-",      "\u2013", "\u2014", "\u00a0", "\u202f", "/",
        "\u2192", "\u00b7", ".",      "_",      "\u3000", "\u2026", "\u201d",
        "\u2028", "\x01",   "\xff",   "\u2212", "|",      "\u2044", "\U0001f6a2"}) {
    EXPECT_EQ(Words("ferry" + std::string(between) + "captain"), ferry_captain) << between;
  }
  for (const std::string_view apostrophe : {"'", "\u2019", "\u2018", "\uff07"}) {
    EXPECT_EQ(Words("island" + std::string(apostrophe) + "s"), (Strings{"island", "s"}));
  }
  EXPECT_EQ(Words(""), Strings{});
  EXPECT_EQ(Words(" \u2014 ... \u0301 \u200b"), Strings{});
}

TEST(SearchWords, OfOneSpellingAreOne) {
  const struct {
    std::string_view written, other;
  } cases[] = {
      {"caf\u00e9", "cafe\u0301"},                  // composed or not
      {"\ufb01sh", "fish"},                         // a ligature
      {"fer\u00adry", "ferry"},                     // a soft hyphen
      {"fer\u200dry", "ferry"},                     // a zero-width joiner
      {"fer\u2060ry", "ferry"},                     // a word joiner
      {"\ufefffe\u200crry", "ferry"},               // a byte order mark, a non-joiner
      {"\uff26\uff45\uff52\uff52\uff59", "ferry"},  // full width
      {"Stra\u00dfe", "STRASSE"},                   // sharp s
      {"M\u00dcNSTER", "munster"},                  // case and accent
      {"\u0130stanbul", "istanbul"},                // a dotted capital
      {"\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f",
       "\u0645\u062d\u0645\u062f"},                                                // vowel signs
      {"\u0645\u0640\u062d\u0645\u062f", "\u0645\u062d\u0645\u062f"},              // a tatweel
      {"\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u05e9\u05dc\u05d5\u05dd"},  // points
      {"\uff76\uff9e\uff72\uff84\uff9e", "\u30ac\u30a4\u30c9"},              // half-width kana
      {"\u1f08\u03b8\u03ae\u03bd\u03b1", "\u0391\u03b8\u03b7\u03bd\u03b1"},  // breathings
  };
  for (const auto& c : cases) {
    for (const std::string& word : Words(c.other)) EXPECT_TRUE(Has(c.written, word)) << c.written;
  }
  // Marks that spell another word stay.
  EXPECT_NE(Words("\u304c"), Words("\u304b"));        // ga, ka
  EXPECT_FALSE(Has("\u0915\u093f", "\u0915\u0941"));  // ki, ku
}

TEST(SearchWords, AreStemmedAndKeptAsWritten) {
  EXPECT_EQ(Words("Holidays"), Strings{"holiday"});
  EXPECT_TRUE(Has("Holidays", "holidays"));
  EXPECT_EQ(Words("entitlement"), Words("entitlements"));
  EXPECT_EQ(Words("\u043b\u043e\u0434\u043a\u0438"), Words("\u043b\u043e\u0434\u043a\u0430"));
}

TEST(SearchWords, CutByALinesEndAreAlsoOne) {
  for (const std::string_view cut :
       {"-\n", "-\r\n", "- \n  ", "\u2010\n", "\u00ad\n", "\u00ad\r\n"}) {
    const std::string text = "an umbrel" + std::string(cut) + "la stand";
    EXPECT_TRUE(Has(text, "umbrella")) << cut;
    EXPECT_TRUE(Has(text, "stand"));
    EXPECT_TRUE(Has(text, "la"));
  }
  EXPECT_FALSE(Has("well-\nKnown", "wellknown"));  // a name begins the next line
  EXPECT_FALSE(Has("well-known", "wellknown"));
  EXPECT_TRUE(Has("fer\u200bry", "ferry"));
  EXPECT_EQ(Words("fer\u200bry").size(), 2u);
}

TEST(SearchWords, OfScriptsWithoutSpacesAreFound) {
  EXPECT_TRUE(Has("\u7801\u5934\u7684\u6e21\u8239\u6bcf\u5929", "\u6e21\u8239"));
  EXPECT_TRUE(Has("\u6e2f\u306e\u6e21\u3057\u8239\u306f", "\u6e21\u3057"));
  EXPECT_TRUE(
      Has("\u0e40\u0e23\u0e37\u0e2d\u0e2d\u0e2d\u0e01\u0e17\u0e38\u0e01\u0e40\u0e0a\u0e49\u0e32",
          "\u0e40\u0e23\u0e37\u0e2d"));
  // Korean endings: a pair of syllables stays the same.
  EXPECT_TRUE(Has("\ub098\ub8fb\ubc30\ub294", "\ub098\ub8fb"));
  EXPECT_TRUE(Has("\ub098\ub8fb\ubc30\uac00", "\ub098\ub8fb"));
  EXPECT_TRUE(Has("\u8239", "\u8239"));
  EXPECT_TRUE(Has("\u6e21\u8239", "\u8239"));
  EXPECT_EQ(Words("GPU\u8239"), (Strings{"gpu", "\u8239"}));
}

TEST(SearchWords, OfFileNamesAreCutAtCaseAndDigits) {
  EXPECT_EQ(Words(FileNameWords("/home/x/lease.md")), (Strings{"leas", "leas"}));
  const Strings words = Words(FileNameWords("/a.b/2024_TaxReturn-finalV2.tar"));
  for (const std::string_view word : {"2024", "tax", "return", "final", "v", "2", "taxreturn"}) {
    EXPECT_NE(std::find(words.begin(), words.end(), word), words.end()) << word;
  }
  EXPECT_EQ(Words(FileNameWords("/a/.hidden")).front(), "hidden");
  EXPECT_EQ(Words(FileNameWords("HTMLPage.txt")).front(), "html");
}

TEST(SearchWords, TakeAnyBytes) {
  EXPECT_TRUE(rc::check([] {
    const auto text = *rc::gen::container<std::string>(
        rc::gen::oneOf(rc::gen::arbitrary<char>(),
                       rc::gen::element('a', 'Z', '-', '\n', ' ', '\xe2', '\x80', '\x8b', '\xc2',
                                        '\xad', '\xe6', '\xb8', '\xa1')));
    for (const SearchWord& word : SearchWords(text)) {
      RC_ASSERT(!word.word.empty());
      RC_ASSERT(word.word.size() < 1000u);
      RC_ASSERT(word.begin < word.end && word.end <= text.size());
      RC_ASSERT(word.word.find('"') == std::string::npos);
    }
  }));
  // Long runs of any script take a time that grows with their length.
  for (const std::string_view unit :
       {"a", "\u0e01", "\u6e21", "\ud55c", "\u0301", "\u00ad", "-\n"}) {
    std::string text;
    for (int i = 0; i < 50'000; ++i) text += unit;
    SearchWords(text);
  }
}

}  // namespace
}  // namespace kvlink::retrieval

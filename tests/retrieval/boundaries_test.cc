#include "retrieval/boundaries.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "retrieval/markdown.h"

namespace kvlink::retrieval {
namespace {

using Strings = std::vector<std::string>;

Strings Texts(std::string_view text, const std::vector<TextRange>& ranges) {
  Strings out;
  for (const TextRange& r : ranges) out.emplace_back(text.substr(r.begin, r.size()));
  return out;
}

Strings SentencesOf(std::string_view text) {
  return Texts(text, Sentences(text, {0, text.size()}));
}

TEST(Sentences, CutAtTheirEnds) {
  const struct {
    std::string_view text;
    Strings expected;
  } cases[] = {
      {"One. Two! Three? Four", {"One.", "Two!", "Three?", "Four"}},
      {"What?! Yes... No.", {"What?!", "Yes...", "No."}},
      {"He said \"Go.\" Then he went.", {"He said \"Go.\"", "Then he went."}},
      {"He said \u201cGo.\u201d Then he went.", {"He said \u201cGo.\u201d", "Then he went."}},
      {"(It rained.) We stayed.", {"(It rained.)", "We stayed."}},
      {"It opened in 1987. The roof leaked.", {"It opened in 1987.", "The roof leaked."}},
      {"It costs 3.5. That is much.", {"It costs 3.5.", "That is much."}},
      {"First line.\nSecond line.", {"First line.", "Second line."}},
      {"Bring:\n- a rope\n- a lamp", {"Bring:", "- a rope", "- a lamp"}},
      {"Rows:\n| a | b |\n| 1 | 2 |", {"Rows:", "| a | b |", "| 1 | 2 |"}},
      {"\u4e00\u4e8c\u3002\u4e09\u56db\uff01\u4e94",
       {"\u4e00\u4e8c\u3002", "\u4e09\u56db\uff01", "\u4e94"}},
      {"So is vitamin c. Then came d.", {"So is vitamin c.", "Then came d."}},
      {"The answer is no. Then she left.", {"The answer is no.", "Then she left."}},
      {"\u0905\u092c\u0964 \u0915\u092c\u0964", {"\u0905\u092c\u0964", "\u0915\u092c\u0964"}},
      {"\u0646\u0639\u0645\u06d4 \u0644\u0627\u061f",
       {"\u0646\u0639\u0645\u06d4", "\u0644\u0627\u061f"}},
      {"\u300c\u4e00\u3002\u300d\u4e8c", {"\u300c\u4e00\u3002\u300d", "\u4e8c"}},
      {"One.\u00a0Two.\u2028- three", {"One.", "Two.", "- three"}},
      {"", {}},
      {" \n\t\u3000 ", {}},
      {"...", {"..."}},
  };
  for (const auto& c : cases) EXPECT_EQ(SentencesOf(c.text), c.expected) << c.text;
}

TEST(Sentences, StayWholeAtDotsThatEndNone) {
  for (const std::string_view text : {
           "Dr. Smith met Mrs. Jones.",
           "The value is 3.5 or 2,000.75 at most.",
           "Some fruit, e.g. this pear, i.e. that one.",
           "The U.S. army and the U.S. Navy came.",
           "J. R. Tolkien and W. H. Auden wrote letters.",
           "At 5 p.m. Eastern the bell rings.",
           "He holds a Ph.D. Nobody asked.",  // may be two; not cut, which costs nothing
           "See Fig. 3 and No. 5 on p. 12, vol. II.",
           "It was Jan. 5 in St. Petersburg.",
           "Visit www.example.org/a.b?c=d for more.",
           "1. Open the lid",
           "Yahoo! is a name and so is who? maybe.",
           "Ends in etc. and goes on.",
           "Jules Verne et \u00c9. Zola.",
           "\u0410. \u041f. \u0427\u0435\u0445\u043e\u0432",  // A. P. Chekhov
           "\u0442.\u0435. \u0422\u043e",                     // i.e.
           "il dit. \u00eatre",
           "Yahoo! \u00e9t\u00e9.",
           "\u0661. \u0627\u0644\u0641",  // an Arabic list number
       }) {
    EXPECT_EQ(SentencesOf(text), Strings{std::string(text)});
  }
}

TEST(Paragraphs, CutAtBlankLines) {
  const std::string_view text = "\n\na\nb\n \t\nc\r\n\r\nd\n\n";
  EXPECT_EQ(Texts(text, Paragraphs(text, {0, text.size()})), (Strings{"a\nb", "c", "d"}));
}

TEST(Paragraphs, KeepBlocksWhole) {
  const std::string_view text = "a\n\n```c\nx\n\ny\n```\n\nb";
  const TextRange all{0, text.size()};
  const std::vector<TextRange> code = MarkdownStructure(text).blocks;
  ASSERT_EQ(code.size(), 1u);
  EXPECT_EQ(Texts(text, Paragraphs(text, all, code)), (Strings{"a", "```c\nx\n\ny\n```", "b"}));
  EXPECT_EQ(Texts(text, Paragraphs(text, all)), (Strings{"a", "```c\nx", "y\n```", "b"}));
  EXPECT_EQ(Texts(text, Lines(text, all, code)), (Strings{"a", "```c\nx\n\ny\n```", "b"}));
}

TEST(WordRuns, HoldWholeWords) {
  const std::string_view text = "aa bb  cc dddddddddd e";
  EXPECT_EQ(Texts(text, WordRuns(text, {0, text.size()}, 5)),
            (Strings{"aa bb", "cc", "dddddddddd", "e"}));
  EXPECT_EQ(Texts(text, WordRuns(text, {0, text.size()}, 0)),
            (Strings{"aa", "bb", "cc", "dddddddddd", "e"}));
}

TEST(WordRuns, EndAtBlanksThatAllowALinesEnd) {
  const std::string_view text = "aa\u00a0bb\u2002cc\u3000dd\u200bee";
  EXPECT_EQ(Texts(text, WordRuns(text, {0, text.size()}, 0)),
            (Strings{"aa\u00a0bb", "cc", "dd", "ee"}));
}

TEST(WordPartRuns, HoldWhatUnicodeAndDictionariesCallWords) {
  const std::string_view text = "aa\u00a0bb/cc, d";
  EXPECT_EQ(Texts(text, WordPartRuns(text, {0, text.size()}, 0)),
            (Strings{"aa", "bb", "/", "cc,", "d"}));
  const std::string_view thai = "\u0e40\u0e23\u0e37\u0e2d\u0e2d\u0e2d\u0e01";  // boat, leaves
  EXPECT_EQ(Texts(thai, WordPartRuns(thai, {0, thai.size()}, 0)),
            (Strings{"\u0e40\u0e23\u0e37\u0e2d", "\u0e2d\u0e2d\u0e01"}));
}

TEST(ClusterRuns, HoldWhatAReaderTakesForOneCharacter) {
  const std::string_view text = "e\u0301\U0001F469\u200d\U0001F467\u0915\u094d\u0937";
  const Strings runs = Texts(text, ClusterRuns(text, {0, text.size()}, 1));
  ASSERT_GE(runs.size(), 3u);
  EXPECT_EQ(runs[0], "e\u0301");
  EXPECT_EQ(runs[1], "\U0001F469\u200d\U0001F467");
}

TEST(Lines, EndAtEveryLineSeparator) {
  const std::string_view text = "a\nb\u2028c\u0085d\u2029e\r\nf";
  EXPECT_EQ(Texts(text, Lines(text, {0, text.size()})), (Strings{"a", "b", "c", "d", "e", "f"}));
}

TEST(CharacterRuns, HoldWholeCharacters) {
  const std::string_view text = "\u00e4\u4e00\U0001F600x";
  EXPECT_EQ(Texts(text, CharacterRuns(text, {0, text.size()}, 1)),
            (Strings{"\u00e4", "\u4e00", "\U0001F600", "x"}));
  const std::string_view broken = "\x80\x80\x80\x80\x80\x80";
  EXPECT_EQ(Texts(broken, CharacterRuns(broken, {0, broken.size()}, 1)),
            (Strings{"\x80\x80\x80\x80", "\x80\x80"}));
}

}  // namespace
}  // namespace kvlink::retrieval

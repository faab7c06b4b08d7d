// Arranging documents: what is kept, where gold goes, and that shuffles are the same everywhere.
#include "data/arrange.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/random.h"
#include "data/pieces.h"

namespace kvlink::data {
namespace {

Example Numbered(int documents, std::vector<int32_t> gold, const std::string& id = "x") {
  Example example;
  example.id = id;
  for (int i = 0; i < documents; ++i) {
    ExampleDocument document{"t", "d"};
    document.title += std::to_string(i);
    document.text += std::to_string(i);
    example.documents.push_back(std::move(document));
  }
  example.gold = std::move(gold);
  return example;
}

std::string Texts(const Example& example) {
  std::string texts;
  for (const ExampleDocument& document : example.documents) texts += document.text + " ";
  return texts;
}

std::string GoldTexts(const Example& example) {
  std::string texts;
  for (const int32_t gold : example.gold) texts += example.documents[gold].text + " ";
  return texts;
}

std::string Squeezed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && !(c >= '\t' && c <= '\r')) out += c;
  }
  return out;
}

// The numbers of the algorithm's own reference program, for seed 1234567.
TEST(Random, IsSplitMix64) {
  Random random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
  EXPECT_EQ(random.Next(), 9817491932198370423u);
}

TEST(Random, BelowIsFair) {
  Random random(7);
  int counts[6] = {};
  for (int i = 0; i < 60000; ++i) ++counts[random.Below(6)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);  // over five standard deviations
}

// Golden: a shuffle that a report names by its seed must not change with compiler or version.
TEST(Arrange, ShuffleIsTheSameEverywhere) {
  Example example = Numbered(8, {0, 3}, "nq-17");
  ShuffleDocuments(&example, 5);
  EXPECT_EQ(Texts(example), "d5 d7 d4 d1 d3 d6 d0 d2 ");
  EXPECT_EQ(GoldTexts(example), "d0 d3 ");
  Example other = Numbered(8, {0, 3}, "nq-18");
  ShuffleDocuments(&other, 5);
  EXPECT_NE(Texts(other), Texts(example));
}

RC_GTEST_PROP(Arrange, ShuffleKeepsDocumentsAndFollowsGold, (uint64_t seed)) {
  const int n = *rc::gen::inRange(1, 21);
  const auto gold = *rc::gen::unique<std::vector<int32_t>>(rc::gen::inRange(0, n));
  Example example = Numbered(n, gold);
  const std::string gold_texts = GoldTexts(example);
  ShuffleDocuments(&example, seed);
  RC_ASSERT(GoldTexts(example) == gold_texts);
  std::set<std::string> texts;
  for (const ExampleDocument& document : example.documents) texts.insert(document.text);
  RC_ASSERT(static_cast<int>(texts.size()) == n);
}

TEST(Arrange, EveryPlaceIsReached) {
  int counts[5] = {};
  for (int i = 0; i < 5000; ++i) {
    Example example = Numbered(5, {0}, std::to_string(i));
    ShuffleDocuments(&example, 1);
    ++counts[example.gold[0]];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 160);
}

TEST(Arrange, KeepTakesGoldFirstInOriginalOrder) {
  const auto kept = [](std::vector<int32_t> gold, int32_t n) {
    Example example = Numbered(6, std::move(gold));
    KeepDocuments(&example, n);
    return Texts(example) + "| " + GoldTexts(example);
  };
  EXPECT_EQ(kept({4, 2}, 4), "d0 d1 d2 d4 | d4 d2 ");
  EXPECT_EQ(kept({4, 2}, 2), "d2 d4 | d4 d2 ");
  EXPECT_EQ(kept({5, 2, 4}, 2), "d2 d4 | d2 d4 ");
  EXPECT_EQ(kept({}, 2), "d0 d1 | ");
  EXPECT_EQ(kept({1}, 9), "d0 d1 d2 d3 d4 d5 | d1 ");
  EXPECT_EQ(kept({1}, 0), "| ");
}

TEST(Arrange, MoveGold) {
  const auto moved = [](std::vector<int32_t> gold, int32_t position) {
    Example example = Numbered(4, std::move(gold));
    MoveGold(&example, position);
    return Texts(example) + "| " + GoldTexts(example);
  };
  EXPECT_EQ(moved({0}, 0), "d0 d1 d2 d3 | d0 ");
  EXPECT_EQ(moved({0}, 2), "d1 d2 d0 d3 | d0 ");
  EXPECT_EQ(moved({3}, 1), "d0 d3 d1 d2 | d3 ");
  EXPECT_EQ(moved({1}, 99), "d0 d2 d3 d1 | d1 ");
  EXPECT_EQ(moved({2, 0}, 0), "d2 d0 d1 d3 | d2 d0 ");
  EXPECT_EQ(moved({}, 2), "d0 d1 d2 d3 | ");
}

TEST(Arrange, CutIntoPieces) {
  Example example;
  example.documents = {{"A", "One two. Three four.\nFive six seven."}, {"B", "Eight."}, {"C", ""}};
  example.gold = {0};
  CutIntoPieces(&example, 4);
  ASSERT_EQ(example.documents.size(), 4u);
  EXPECT_EQ(example.documents[0].text, "One two. Three four.");
  EXPECT_EQ(example.documents[1].text, "Five six seven.");
  EXPECT_EQ(example.documents[1].title, "A");
  EXPECT_EQ(example.documents[2].title, "B");
  EXPECT_EQ(example.documents[3].title, "C");
  EXPECT_EQ(example.gold, (std::vector<int32_t>{0, 1}));
}

TEST(Pieces, ADialogueIsCutBetweenTurns) {
  std::string dialogue;
  for (int i = 0; i < 12; ++i) dialogue += "Ann: I said. And then more.\n";
  for (const std::string_view piece : CutText(dialogue, 20)) {
    EXPECT_TRUE(piece.starts_with("Ann:")) << piece;
    EXPECT_TRUE(piece.ends_with("more.")) << piece;
  }
}

TEST(Pieces, SentencesEndInQuotesToo) {
  const auto pieces =
      CutText("He said \xe2\x80\x9cno more.\xe2\x80\x9d Then he left us (all.) So", 6);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0], "He said \xe2\x80\x9cno more.\xe2\x80\x9d");
}

TEST(Pieces, ScriptsWithoutSpacesHaveWordsAndSentences) {
  std::string chinese;
  for (int i = 0; i < 30; ++i) chinese += "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002";
  EXPECT_EQ(CountWords(chinese), 90);  // today, weather, very good
  const auto pieces = CutText(chinese, 10);
  ASSERT_GE(pieces.size(), 9u);
  std::string joined;
  for (const std::string_view piece : pieces) {
    EXPECT_TRUE(piece.ends_with("\u3002")) << piece;
    joined += piece;
  }
  EXPECT_EQ(joined, chinese);
  EXPECT_GT(CountWords("\u0e27\u0e31\u0e19\u0e19\u0e35\u0e49\u0e2d\u0e32\u0e01\u0e32\u0e28\u0e14"
                       "\u0e35"),
            2);  // Thai
  EXPECT_EQ(CountWords("\u300c\u597d\u3002\u300dA-b"), 2);
  EXPECT_EQ(CountWords("not-cut, isn't"), 2);
}

TEST(Pieces, WhiteSpaceAndSentenceEndsAreUnicodes) {
  EXPECT_EQ(CountWords("fin\u00a0de\u2003mot\u3000x"), 4);
  const auto hindi = CutText("\u0905 \u092c\u0964 \u0915 \u0916 \u0917", 4);
  ASSERT_EQ(hindi.size(), 2u);
  EXPECT_TRUE(hindi[0].ends_with("\u0964"));
  EXPECT_EQ(CutText("a b\u2028c d e", 4)[0], "a b");
  EXPECT_EQ(CountWords("\xff\x80 \xe4\xbb"), 2);  // not UTF-8
}

TEST(Pieces, NothingComesOfNothing) {
  EXPECT_TRUE(CutText("", 5).empty());
  EXPECT_TRUE(CutText(" \n\t ", 5).empty());
  EXPECT_EQ(CountWords(" a  bc\nd "), 3);
}

RC_GTEST_PROP(Pieces, HoldEveryWordAndNoMoreThanAskedFor, ()) {
  const auto text =
      *rc::gen::container<std::string>(rc::gen::elementOf(std::string("abc.!?\n\n  ")));
  const int64_t most = *rc::gen::inRange<int64_t>(1, 12);
  std::string joined;
  for (const std::string_view piece : CutText(text, most)) {
    const int64_t words = CountWords(piece);
    RC_ASSERT(words >= 1 && words <= most);
    joined += piece;
    joined += ' ';
  }
  RC_ASSERT(Squeezed(joined) == Squeezed(text));
  RC_ASSERT(CountWords(joined) == CountWords(text));
}

}  // namespace
}  // namespace kvlink::data

#include "retrieval/choose_passages.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvlink::retrieval {
namespace {

struct Hit {
  double score;
  std::string text;
};

std::vector<size_t> Choose(const std::vector<Hit>& hits, const PassageChoice& choice) {
  std::vector<SearchHit> found;
  for (const Hit& hit : hits) {
    found.emplace_back();
    found.back().score = hit.score;
    found.back().document.text = hit.text;
  }
  return ChoosePassages(found, choice);
}

using Places = std::vector<size_t>;

TEST(ChoosePassages, TheBestStandsLast) {
  EXPECT_EQ(Choose({}, {.most = 3}), Places());
  EXPECT_EQ(Choose({{9, "one"}}, {.most = 3}), Places({0}));
  EXPECT_EQ(Choose({{9, "one"}, {8, "two"}, {7, "three"}}, {.most = 3}), Places({2, 1, 0}));
}

TEST(ChoosePassages, AtMostSoMany) {
  const std::vector<Hit> hits = {{9, "one"}, {9, "two"}, {9, "three"}};
  EXPECT_EQ(Choose(hits, {.most = 2}), Places({1, 0}));
  EXPECT_EQ(Choose(hits, {.most = 0}), Places());
}

TEST(ChoosePassages, FewerWhereTheBestIsFarAhead) {
  const std::vector<Hit> hits = {{10, "one"}, {6, "two"}, {5, "three"}, {4.9, "four"}};
  EXPECT_EQ(Choose(hits, {.most = 5, .least_share = 0.5}), Places({2, 1, 0}));
  EXPECT_EQ(Choose(hits, {.most = 5, .least_share = 0.7}), Places({0}));
  EXPECT_EQ(Choose(hits, {.most = 5, .least_share = 0}), Places({3, 2, 1, 0}));
  // Where nothing tells hits apart, all scores may be 0.
  EXPECT_EQ(Choose({{0, "one"}, {0, "two"}}, {.most = 5, .least_share = 0.5}), Places({1, 0}));
}

TEST(ChoosePassages, WhatSaysNothingNewIsLeftOut) {
  const std::string better = "The harbour of Velmora has nine cranes. They are green.";
  const PassageChoice all = {.most = 5, .least_share = 0};
  const struct {
    std::string text;
    bool kept;
  } cases[] = {
      {better, false},
      {"the HARBOUR of Velmora\n  has nine cranes", false},  // a part of it
      {"Velmora", true},                                     // one word is no pair of words
      {"The harbour of Velmora has ten cranes.", true},      // another number
      {"The cranes of Velmora has nine harbour.", true},     // another order
      {better + " One is broken.", true},
      {"\u201cThe harbour of Velmora\u201d has nine cranes \u2013 they are green\u2026", false},
      {"The harbor of Velmora has nine crane. They are green.", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Choose({{9, better}, {8, c.text}}, all), c.kept ? Places({1, 0}) : Places({0}))
        << c.text;
  }
  const std::string chinese = "\u4eca\u5929\u5929\u6c14\u5f88\u597d";  // today the weather is good
  EXPECT_EQ(
      Choose({{9, chinese + "\u3002\u6211\u4eec\u53bb\u516c\u56ed\u3002"}, {8, chinese}}, all),
      Places({0}));
  // What is left out makes room for the next.
  EXPECT_EQ(Choose({{9, better}, {8, better}, {7, "two"}}, {.most = 2, .least_share = 0}),
            Places({2, 0}));
  // Texts without a word are all the same.
  EXPECT_EQ(Choose({{9, "..."}, {8, "!"}}, all), Places({0}));
}

}  // namespace
}  // namespace kvlink::retrieval

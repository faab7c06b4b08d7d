#include "retrieval/grounding.h"

#include <gtest/gtest.h>

#include <vector>

namespace kvlink::retrieval {
namespace {

TEST(Grounding, SureAnswersOverPassagesThatHaveTheQuestionAreGrounded) {
  const Grounding good = JudgeGrounding({.coverage = 0.9,
                                         .tokens = 3,
                                         .least_logprob = -0.2,
                                         .sentence_support = 0.8,
                                         .share_in_passages = 1});
  EXPECT_TRUE(good.grounded);
  EXPECT_EQ(good.why, "");
  EXPECT_GT(good.score, 0.8);
}

TEST(Grounding, SaysWhatSpeaksAgainstIt) {
  const struct {
    GroundingSigns signs;
    std::vector<std::string> says;
  } cases[] = {
      {{.coverage = 0.1, .least_logprob = -0.2, .share_in_passages = 1}, {"10 %", "question"}},
      {{.coverage = 0.3, .least_logprob = -1, .sentence_support = 0.2, .share_in_passages = 1},
       {"30 %", "no sentence that has the answer has more than 20 %"}},
      {{.coverage = 0.2, .tokens = 40, .least_logprob = -4, .mean_logprob = -0.4}, {"20 %"}},
      {{.coverage = 0.1, .least_logprob = -4, .share_in_passages = 0},
       {"10 %", "only 0 % of the answer's words", "probability of 2 %"}},
      {{.coverage = 0.55, .least_logprob = -3, .sentence_support = 0.4, .share_in_passages = 1},
       {"probability of 5 %"}},
      {{}, {"0 %"}},
  };
  for (const auto& c : cases) {
    const Grounding bad = JudgeGrounding(c.signs);
    EXPECT_FALSE(bad.grounded) << c.signs.coverage;
    for (const std::string& part : c.says) {
      EXPECT_NE(bad.why.find(part), std::string::npos) << bad.why;
    }
  }
}

TEST(Grounding, WhatHasNoWordOfThePassagesIsNotFromThem) {
  GroundingSigns signs = {
      .coverage = 1, .tokens = 30, .mean_logprob = -0.1, .share_in_passages = 0};
  const Grounding bad = JudgeGrounding(signs);
  EXPECT_FALSE(bad.grounded);
  EXPECT_NE(bad.why.find("only 0 % of the answer's words"), std::string::npos) << bad.why;
  signs.share_in_passages = 0.5;
  EXPECT_TRUE(JudgeGrounding(signs).grounded);
}

TEST(Grounding, EachSignCounts) {
  const GroundingSigns middle = {.coverage = 0.6, .least_logprob = -0.5, .sentence_support = 0.5};
  const double score = JudgeGrounding(middle).score;
  GroundingSigns better = middle;
  better.coverage = 0.7;
  EXPECT_GT(JudgeGrounding(better).score, score);
  better = middle;
  better.least_logprob = -0.4;
  EXPECT_GT(JudgeGrounding(better).score, score);
  better = middle;
  better.sentence_support = 1;
  EXPECT_GT(JudgeGrounding(better).score, score);
  // Of a long answer the mean, and no one sentence.
  GroundingSigns longer = middle;
  longer.tokens = 40;
  const double of_longer = JudgeGrounding(longer).score;
  longer.sentence_support = 0;
  longer.least_logprob = -5;
  EXPECT_EQ(JudgeGrounding(longer).score, of_longer);
  longer.mean_logprob = -0.5;
  EXPECT_LT(JudgeGrounding(longer).score, of_longer);
}

}  // namespace
}  // namespace kvlink::retrieval

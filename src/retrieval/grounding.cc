#include "retrieval/grounding.h"

#include <cmath>
#include <cstdio>

namespace kvlink::retrieval {
namespace {

// Logistic regressions: right answers over a pool of documents that has the answer, against answers
// over one that has not. A short answer stands in one sentence, which then has the question's words
// too; a long one has some unlikely token whatever it says. docs/quality.md, Not in the documents,
// says how they were fitted, and what the thresholds leave.
constexpr int64_t kShortTokens = 12;
struct Weights {
  double constant, coverage, least_logprob, mean_logprob, sentence_support;
  double least_score;
};
constexpr Weights kShort = {-5.85, 10.6, 3.0, 0, 4.21, 0.1};
constexpr Weights kLong = {-4.78, 10.77, 0, 4.32, 0, 0.101};

// What has hardly a word of the passages is not from them, however sure the model is.
constexpr double kLeastShare = 0.1;

// A sign is named where it is below what nine of ten right answers have.
constexpr double kUsualCoverage = 0.5;
constexpr double kUsualShare = 0.99;
constexpr double kUsualSupport = 0.4;
constexpr double kUsualLogprob = -1.3;

std::string Percent(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.0f %%", 100 * share);
  return text;
}

}  // namespace

Grounding JudgeGrounding(const GroundingSigns& signs) {
  const Weights& w = signs.tokens <= kShortTokens ? kShort : kLong;
  const double logit = w.constant + w.coverage * signs.coverage +
                       w.least_logprob * signs.least_logprob + w.mean_logprob * signs.mean_logprob +
                       w.sentence_support * signs.sentence_support;
  Grounding grounding;
  grounding.score = 1 / (1 + std::exp(-logit));
  grounding.grounded = grounding.score >= w.least_score && signs.share_in_passages >= kLeastShare;
  if (grounding.grounded) return grounding;
  const auto add = [&](const std::string& reason) {
    grounding.why += (grounding.why.empty() ? "" : "; ") + reason;
  };
  if (signs.coverage < kUsualCoverage) {
    add("no passage has more than " + Percent(signs.coverage) +
        " of the question's words, weighed by rarity");
  }
  if (signs.share_in_passages < kUsualShare) {
    add("only " + Percent(signs.share_in_passages) +
        " of the answer's words stand in the passages");
  } else if (signs.tokens <= kShortTokens && signs.sentence_support < kUsualSupport) {
    add("no sentence that has the answer has more than " + Percent(signs.sentence_support) +
        " of the question's words, weighed by rarity");
  }
  if (signs.least_logprob < kUsualLogprob || grounding.why.empty()) {
    add("the model gave one of the answer's tokens a probability of " +
        Percent(std::exp(signs.least_logprob)));
  }
  return grounding;
}

}  // namespace kvlink::retrieval

#include "retrieval/grounding.h"

#include <cmath>
#include <cstdio>

namespace kvlink {
namespace {

// A logistic regression: right answers over a pool of documents that has the answer, against
// answers over one that has not. docs/quality.md, Not in the documents, says how it was fitted, and
// what the threshold leaves.
constexpr double kConstant = -11.87;
constexpr double kCoverage = 14.19;
constexpr double kLeastLogprob = 2.62;
constexpr double kShareInPassages = 5.81;
constexpr double kLeastScore = 0.213;

// A sign is named where it is below what nine of ten right answers have.
constexpr double kUsualCoverage = 0.5;
constexpr double kUsualShare = 0.99;
constexpr double kUsualLogprob = -1.3;

std::string Percent(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.0f %%", 100 * share);
  return text;
}

}  // namespace

Grounding JudgeGrounding(const GroundingSigns& signs) {
  const double logit = kConstant + kCoverage * signs.coverage +
                       kLeastLogprob * signs.least_logprob +
                       kShareInPassages * signs.share_in_passages;
  Grounding grounding;
  grounding.score = 1 / (1 + std::exp(-logit));
  grounding.grounded = grounding.score >= kLeastScore;
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
  }
  if (signs.least_logprob < kUsualLogprob || grounding.why.empty()) {
    add("the model gave one of the answer's tokens a probability of " +
        Percent(std::exp(signs.least_logprob)));
  }
  return grounding;
}

}  // namespace kvlink

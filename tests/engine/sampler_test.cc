// The sampler: a table for each setting, ties, fixed sequences, distributions under fixed seeds
// with stated bounds, and logits that no model should give.
#include "engine/sampler.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace kvlink::engine {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Sampler MakeSampler(const Sampling& sampling, size_t vocab) {
  Result<Sampler> sampler = Sampler::Create(sampling, static_cast<int32_t>(vocab));
  if (!sampler.ok()) {
    ADD_FAILURE() << sampler.status().message();
    std::abort();
  }
  return *std::move(sampler);
}

SampledToken NextOf(Sampler& sampler, const std::vector<float>& logits, int32_t top = 0) {
  Result<SampledToken> token = sampler.Next(logits, top);
  EXPECT_TRUE(token.ok()) << token.status().message();
  return token.ok() ? *token : SampledToken{.id = -1};
}

// Logits whose softmax is these probabilities.
std::vector<float> LogitsOf(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

// How often each token came in `draws` draws; the penalty is off, so draws are independent.
std::vector<int> CountDraws(const Sampling& sampling, const std::vector<float>& logits, int draws) {
  Sampler sampler = MakeSampler(sampling, logits.size());
  std::vector<int> counts(logits.size(), 0);
  for (int i = 0; i < draws; ++i) ++counts.at(NextOf(sampler, logits).id);
  return counts;
}

// Pearson's statistic against expected probabilities; tokens of probability 0 must not come at all.
double ChiSquare(const std::vector<int>& counts, const std::vector<double>& expected) {
  const double draws = std::accumulate(counts.begin(), counts.end(), 0.0);
  double statistic = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (expected[i] == 0) {
      EXPECT_EQ(counts[i], 0) << "token " << i << " was cut and came nevertheless";
      continue;
    }
    const double mean = draws * expected[i];
    statistic += (counts[i] - mean) * (counts[i] - mean) / mean;
  }
  return statistic;
}

TEST(RandomOfTest, GivesTheSameNumbersOnEveryMachine) {
  // Computed apart from this code, from the published constants of SplitMix64.
  struct Case {
    uint64_t seed;
    uint64_t first[3];
  };
  const Case cases[] = {
      {0, {0xa706dd2f4d197e6f, 0xb382a305f4414f5e, 0x631a9154fbabf717}},
      {1, {0x5e41ab087439611e, 0xf18d6ce93d6cf1ee, 0x0b95f66d327e8d78}},
      {~uint64_t{0}, {0x5dc20aa7b2a27137, 0xbda5668a01d7049c, 0x82b43276abb80226}},
  };
  for (const Case& c : cases) {
    Random random = RandomOf(c.seed);
    for (const uint64_t expected : c.first) EXPECT_EQ(random.Next(), expected) << c.seed;
  }
}

TEST(RandomOfTest, UnitsFillTheUnitIntervalEvenly) {
  Random random = RandomOf(7);
  std::vector<int> counts(64, 0);
  for (int i = 0; i < 64'000; ++i) {
    const double u = random.NextUnit();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    ++counts[static_cast<size_t>(u * 64)];
  }
  // 63 degrees of freedom: 99.99 % of fair streams stay below 113.
  EXPECT_LT(ChiSquare(counts, std::vector<double>(64, 1.0 / 64)), 113);
}

TEST(RandomOfTest, NeighbouringSeedsAreUnrelated) {
  // Streams of seeds s and s + golden would overlap if the seed were used unmixed.
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  std::set<uint64_t> seen;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, kGolden, 2 * kGolden}) {
    Random random = RandomOf(seed);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(random.Next()).second);
  }
}

TEST(SamplerTest, GreedyTakesTheLargestAndTheLowestIdOnTies) {
  Sampler sampler = MakeSampler({}, 4);
  EXPECT_EQ(NextOf(sampler, {1, 3, 2, 0}).id, 1);
  EXPECT_EQ(NextOf(sampler, {1, 3, 3, 3}).id, 1);
  EXPECT_EQ(NextOf(sampler, {0, 0, 0, 0}).id, 0);
  EXPECT_EQ(NextOf(sampler, {-0.0f, 0.0f, -1, -1}).id, 0);
  EXPECT_EQ(NextOf(sampler, {-5, -4, -3, -3}).id, 2);
}

TEST(SamplerTest, GreedyIgnoresSeedAndCuts) {
  for (const uint64_t seed : {0, 1, 2}) {
    Sampler sampler = MakeSampler({.top_k = 1, .top_p = 0.1f, .min_p = 1, .seed = seed}, 3);
    EXPECT_EQ(NextOf(sampler, {1, 2, 3}).id, 2);
  }
}

TEST(SamplerTest, LogprobIsOfTheModelsOwnDistribution) {
  // Whatever the settings do to the choice, 0.5 and 0.25 are what the model gave.
  const std::vector<float> logits = LogitsOf({0.25, 0.5, 0.125, 0.125});
  const Sampling settings[] = {{},
                               {.temperature = 0.01f},
                               {.temperature = 5, .top_k = 1},
                               {.temperature = 1, .top_p = 0.3f},
                               {.temperature = 1, .min_p = 0.9f}};
  for (const Sampling& sampling : settings) {
    Sampler sampler = MakeSampler(sampling, 4);
    const SampledToken token = NextOf(sampler, logits, 2);
    EXPECT_EQ(token.id, 1);
    EXPECT_NEAR(token.logprob, std::log(0.5), 1e-6);
    ASSERT_EQ(token.top.size(), 2u);
    EXPECT_EQ(token.top[0].id, 1);
    EXPECT_NEAR(token.top[0].logprob, std::log(0.5), 1e-6);
    EXPECT_EQ(token.top[1].id, 0);
    EXPECT_NEAR(token.top[1].logprob, std::log(0.25), 1e-6);
  }
  Sampler penalised = MakeSampler({.repetition_penalty = 100}, 4);
  const int32_t history[] = {1};
  penalised.AddHistory(history);
  const SampledToken token = NextOf(penalised, logits);
  EXPECT_EQ(token.id, 0);
  EXPECT_NEAR(token.logprob, std::log(0.25), 1e-6);
}

TEST(SamplerTest, AlternativesAreOrderedTiesByIdAndNeverMoreThanTheVocabulary) {
  Sampler sampler = MakeSampler({}, 5);
  const std::vector<float> logits = {2, 7, 7, 1, 2};
  auto ids = [&](int32_t count) {
    std::vector<int32_t> result;
    for (const TokenChoice& choice : NextOf(sampler, logits, count).top)
      result.push_back(choice.id);
    return result;
  };
  EXPECT_EQ(ids(0), (std::vector<int32_t>{}));
  EXPECT_EQ(ids(1), (std::vector<int32_t>{1}));
  EXPECT_EQ(ids(4), (std::vector<int32_t>{1, 2, 0, 4}));
  EXPECT_EQ(ids(1000), (std::vector<int32_t>{1, 2, 0, 4, 3}));
}

TEST(SamplerTest, TheProbabilitiesOfAllAlternativesSumToOne) {
  Sampler sampler = MakeSampler({}, 1000);
  std::vector<float> logits(1000);
  Random random = RandomOf(3);
  for (float& logit : logits) logit = static_cast<float>(random.NextUnit() * 40 - 20);
  double sum = 0;
  for (const TokenChoice& choice : NextOf(sampler, logits, 1000).top)
    sum += std::exp(choice.logprob);
  EXPECT_NEAR(sum, 1, 1e-5);
}

// Each setting: the distribution that is left, worked out by hand, against 20,000 draws. The bound
// 30 is passed by a right sampler with probability above 0.9999 at up to 7 degrees of freedom.
struct DistributionCase {
  std::string name;
  Sampling sampling;
  std::vector<double> model;
  std::vector<double> expected;
};

class SamplerDistributionTest : public ::testing::TestWithParam<DistributionCase> {};

TEST_P(SamplerDistributionTest, DrawsWhatIsExpected) {
  const DistributionCase& c = GetParam();
  EXPECT_LT(ChiSquare(CountDraws(c.sampling, LogitsOf(c.model), 20'000), c.expected), 30);
}

const std::vector<double> kFive = {0.1, 0.4, 0.05, 0.25, 0.2};

INSTANTIATE_TEST_SUITE_P(
    EachSetting, SamplerDistributionTest,
    ::testing::Values(
        DistributionCase{"Plain", {.temperature = 1, .seed = 11}, kFive, kFive},
        DistributionCase{
            "TemperatureHalfSquares",  // 0.1, 1.6, 0.025, 0.625, 0.4 over their sum
            {.temperature = 0.5f, .seed = 12},
            {0.1, 0.4, 0.05, 0.25, 0.2},
            {0.01 / 0.275, 0.16 / 0.275, 0.0025 / 0.275, 0.0625 / 0.275, 0.04 / 0.275}},
        DistributionCase{
            "TemperatureTwoTakesRoots",  // of 0.01, 0.16, 0.64, 0.19: sum below
            {.temperature = 2, .seed = 13},
            {0.01, 0.16, 0.64, 0.19},
            {0.1 / 1.7358899, 0.4 / 1.7358899, 0.8 / 1.7358899, 0.4358899 / 1.7358899}},
        DistributionCase{"TopKTwo",
                         {.temperature = 1, .top_k = 2, .seed = 14},
                         kFive,
                         {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
        DistributionCase{
            "TopKBeyondTheVocabulary", {.temperature = 1, .top_k = 99, .seed = 15}, kFive, kFive},
        DistributionCase{"TopKTiesKeepLowestIds",
                         {.temperature = 1, .top_k = 2, .seed = 16},
                         {0.25, 0.25, 0.25, 0.25},
                         {0.5, 0.5, 0, 0}},
        DistributionCase{"TopPReachedByTwo",
                         {.temperature = 1, .top_p = 0.6f, .seed = 17},
                         kFive,
                         {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
        DistributionCase{"TopPJustPassedTakesTheNext",
                         {.temperature = 1, .top_p = 0.7f, .seed = 18},
                         kFive,
                         {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85}},
        DistributionCase{"TopPBelowTheFirstKeepsOne",
                         {.temperature = 1, .top_p = 1e-6f, .seed = 19},
                         kFive,
                         {0, 1, 0, 0, 0}},
        DistributionCase{"TopPTiesKeepLowestIds",
                         {.temperature = 1, .top_p = 0.45f, .seed = 20},
                         {0.25, 0.25, 0.25, 0.25},
                         {0.5, 0.5, 0, 0}},
        DistributionCase{"TopPCountsWithinTopK",  // of 0.4, 0.25, 0.2: 0.65 / 0.85 = 0.76 >= 0.75
                         {.temperature = 1, .top_k = 3, .top_p = 0.75f, .seed = 21},
                         kFive,
                         {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
        DistributionCase{"MinPHalf",
                         {.temperature = 1, .min_p = 0.499f, .seed = 22},
                         kFive,
                         {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85}},
        DistributionCase{"MinPOneKeepsTies",
                         {.temperature = 1, .min_p = 1, .seed = 23},
                         {0.375, 0.375, 0.125, 0.125},
                         {0.5, 0.5, 0, 0}},
        DistributionCase{
            "MinPActsAfterTopP",  // top-p leaves 0.4, 0.25, 0.2; min-p 0.25 / 0.4 = 0.63
            {.temperature = 1, .top_p = 0.7f, .min_p = 0.6f, .seed = 24},
            kFive,
            {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}}),
    [](const auto& tested) { return tested.param.name; });

TEST(SamplerTest, PenaltyDividesPositiveAndMultipliesNegativeLogits) {
  struct Case {
    std::vector<float> logits;
    std::vector<int32_t> history;
    int32_t expected;
  };
  const Case cases[] = {
      {{4, 3, 0}, {}, 0},                      // nothing seen
      {{4, 3, 0}, {0}, 1},                     // 4 / 2 < 3
      {{7, 3, 0}, {0}, 0},                     // 7 / 2 > 3
      {{-1, -1.5, -9}, {0}, 1},                // -1 * 2 < -1.5
      {{-1, -3, -9}, {0}, 0},                  // -1 * 2 > -3
      {{4, 3, 0}, {0, 0, 0}, 1},               // once, however often it was seen
      {{4, 3, 0}, {-1, ~5, 3, 1'000'000}, 0},  // link embeddings and foreign ids are passed over
  };
  for (const Case& c : cases) {
    Sampler sampler = MakeSampler({.repetition_penalty = 2}, 3);
    sampler.AddHistory(c.history);
    EXPECT_EQ(NextOf(sampler, c.logits).id, c.expected) << ::testing::PrintToString(c.logits);
  }
}

TEST(SamplerTest, TheAnswersOwnTokensJoinTheHistory) {
  Sampler sampler = MakeSampler({.repetition_penalty = 2}, 3);
  const std::vector<float> logits = {4, 3, 2.5f};
  EXPECT_EQ(NextOf(sampler, logits).id, 0);  // 4, 3, 2.5
  EXPECT_EQ(NextOf(sampler, logits).id, 1);  // 2, 3, 2.5
  EXPECT_EQ(NextOf(sampler, logits).id, 2);  // 2, 1.5, 2.5
  EXPECT_EQ(NextOf(sampler, logits).id, 0);  // 2, 1.5, 1.25
}

TEST(SamplerTest, APenaltyBelowOneInvitesRepetition) {
  Sampler sampler = MakeSampler({.repetition_penalty = 0.5f}, 2);
  const int32_t history[] = {1};
  sampler.AddHistory(history);
  EXPECT_EQ(NextOf(sampler, {3, 2}).id, 1);
}

TEST(SamplerTest, ASeedGivesTheSameAnswerAgainAndAnotherSeedAnother) {
  const std::vector<float> logits(50, 0.0f);
  auto draw = [&](uint64_t seed) {
    Sampler sampler = MakeSampler({.temperature = 1, .seed = seed}, logits.size());
    std::vector<int32_t> ids;
    for (int i = 0; i < 40; ++i) ids.push_back(NextOf(sampler, logits).id);
    return ids;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  EXPECT_NE(draw(0), draw(std::numeric_limits<uint64_t>::max()));
}

TEST(SamplerTest, UniformDrawsAreTheStreamScaled) {
  // 8 equal weights: token = floor(8 u), whatever the machine.
  const std::vector<float> logits(8, 1.5f);
  Sampler sampler = MakeSampler({.temperature = 1, .seed = 42}, 8);
  Random random = RandomOf(42);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(NextOf(sampler, logits).id, static_cast<int32_t>(random.NextUnit() * 8));
  }
}

TEST(SamplerTest, EdgesOfFloatsRangeStayFinite) {
  const float max = std::numeric_limits<float>::max();
  const float tiny = std::numeric_limits<float>::denorm_min();
  const Sampling settings[] = {{.temperature = tiny},
                               {.temperature = max},
                               {.temperature = tiny, .top_k = 2, .top_p = tiny, .min_p = tiny},
                               {.temperature = 1, .repetition_penalty = tiny},
                               {.temperature = 1, .repetition_penalty = max},
                               {.repetition_penalty = tiny}};
  for (const Sampling& sampling : settings) {
    Sampler sampler = MakeSampler(sampling, 3);
    for (int i = 0; i < 20; ++i) {
      const SampledToken token = NextOf(sampler, {max, -max, 0}, 3);
      EXPECT_TRUE(token.id >= 0 && token.id < 3);
      EXPECT_FALSE(std::isnan(token.logprob));
    }
  }
  Sampler greedy = MakeSampler({}, 2);
  EXPECT_FLOAT_EQ(NextOf(greedy, {max, max}).logprob, std::log(0.5f));
}

TEST(SamplerTest, AVocabularyOfOne) {
  Sampler sampler = MakeSampler({.temperature = 1, .top_k = 1, .top_p = 0.5f, .min_p = 1}, 1);
  const SampledToken token = NextOf(sampler, {-3}, 1);
  EXPECT_EQ(token.id, 0);
  EXPECT_EQ(token.logprob, 0);
}

TEST(SamplerTest, LogitsThatAreNotFiniteAreNamedAndChangeNothing) {
  for (const float bad : {kNaN, kInf, -kInf}) {
    Sampler sampler = MakeSampler({.temperature = 1, .seed = 5}, 4);
    Sampler untouched = MakeSampler({.temperature = 1, .seed = 5}, 4);
    const std::vector<float> logits = {0, 1, bad, 0};
    const Result<SampledToken> token = sampler.Next(logits, 2);
    ASSERT_FALSE(token.ok());
    EXPECT_EQ(token.code(), StatusCode::kDataLoss);
    EXPECT_NE(token.status().message().find("token 2"), std::string::npos)
        << token.status().message();
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(NextOf(sampler, {0, 0, 0, 0}).id, NextOf(untouched, {0, 0, 0, 0}).id);
    }
  }
}

TEST(SamplerTest, AnotherNumberOfLogitsIsRefused) {
  Sampler sampler = MakeSampler({}, 4);
  EXPECT_EQ(sampler.Next(std::vector<float>(3), 0).code(), StatusCode::kInternal);
  EXPECT_EQ(sampler.Next(std::vector<float>(5), 0).code(), StatusCode::kInternal);
  EXPECT_EQ(sampler.Next({}, 0).code(), StatusCode::kInternal);
  EXPECT_EQ(sampler.Next(std::vector<float>(4), -1).code(), StatusCode::kInvalidArgument);
}

TEST(SamplerTest, EachSettingOutOfRangeIsNamed) {
  struct Case {
    Sampling sampling;
    std::string name;
  };
  const Case cases[] = {
      {{.temperature = -1}, "temperature"},
      {{.temperature = kNaN}, "temperature"},
      {{.temperature = kInf}, "temperature"},
      {{.top_k = -1}, "top_k"},
      {{.top_p = 0}, "top_p"},
      {{.top_p = 1.01f}, "top_p"},
      {{.top_p = kNaN}, "top_p"},
      {{.min_p = -0.1f}, "min_p"},
      {{.min_p = 1.1f}, "min_p"},
      {{.min_p = kNaN}, "min_p"},
      {{.repetition_penalty = 0}, "repetition_penalty"},
      {{.repetition_penalty = -2}, "repetition_penalty"},
      {{.repetition_penalty = kInf}, "repetition_penalty"},
      {{.repetition_penalty = kNaN}, "repetition_penalty"},
  };
  for (const Case& c : cases) {
    const Result<Sampler> sampler = Sampler::Create(c.sampling, 10);
    ASSERT_FALSE(sampler.ok()) << c.name;
    EXPECT_EQ(sampler.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(sampler.status().message().find(c.name), std::string::npos);
    EXPECT_NE(sampler.status().message().find("found"), std::string::npos);
  }
  EXPECT_EQ(Sampler::Create({}, 0).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Sampler::Create({}, -1).code(), StatusCode::kInvalidArgument);
}

// A slow sampler that sorts everything, against which the cuts are compared: which tokens can come.
std::set<int32_t> KeptBySorting(const std::vector<float>& logits, const Sampling& s) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (s.top_k > 0 && static_cast<size_t>(s.top_k) < order.size()) order.resize(s.top_k);
  auto weight = [&](int32_t id) {
    return std::exp((static_cast<double>(logits[id]) - logits[order[0]]) / s.temperature);
  };
  double total = 0;
  for (const int32_t id : order) total += weight(id);
  std::set<int32_t> kept;
  double held = 0;
  for (const int32_t id : order) {
    if (!kept.empty() && s.top_p < 1 && held >= s.top_p * total) break;
    held += weight(id);
    if (kept.empty() || weight(id) >= s.min_p) kept.insert(id);
  }
  return kept;
}

RC_GTEST_PROP(SamplerProperty, OnlyWhatTheCutsLeaveComesAndAllOfItCanCome, ()) {
  // Integer logits make ties common.
  const auto whole =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(-2, 3)));
  const std::vector<float> logits(whole.begin(), whole.end());
  const Sampling sampling{
      .temperature = *rc::gen::element(0.7f, 1.0f, 3.0f),
      .top_k = *rc::gen::inRange(0, 12),
      .top_p = *rc::gen::element(0.13f, 0.57f, 0.91f, 1.0f),
      .min_p = *rc::gen::element(0.0f, 0.11f, 0.63f),
      .seed = static_cast<uint64_t>(*rc::gen::inRange(0, 1000)),
  };
  const std::set<int32_t> kept = KeptBySorting(logits, sampling);
  Sampler sampler = MakeSampler(sampling, logits.size());
  std::set<int32_t> seen;
  for (int i = 0; i < 400; ++i) seen.insert(NextOf(sampler, logits).id);
  for (const int32_t id : seen) RC_ASSERT(kept.contains(id));
  // What is likelier than 5 % stays away from 400 draws with probability 0.95^400 = 1e-9.
  double total = 0;
  for (const int32_t id : kept) total += std::exp(logits[id] / sampling.temperature);
  for (const int32_t id : kept) {
    if (std::exp(logits[id] / sampling.temperature) > 0.05 * total) RC_ASSERT(seen.contains(id));
  }
}

}  // namespace
}  // namespace kvlink::engine

// The bootstrap: its interval where theory knows it, its coverage, and that a seed decides it.
#include "eval/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace kvlink::eval {
namespace {

double Uniform(Random* random) {
  return static_cast<double>(random->Next() >> 11) / 9007199254740992.0;
}

TEST(Bootstrap, OfNothingAndOfOne) {
  EXPECT_FALSE(MeanWithInterval({}).measured());
  const std::vector<double> one = {3};
  const Estimate estimate = MeanWithInterval(one);
  EXPECT_EQ(estimate.value, 3);
  EXPECT_EQ(estimate.low, 3);
  EXPECT_EQ(estimate.high, 3);
}

// For a share p of n examples the standard error is sqrt(p (1 - p) / n); the bootstrap's interval
// is 1.96 of them to either side, within what 2000 resamples and the steps of 1 / n allow.
TEST(Bootstrap, WidthIsTheStandardErrors) {
  std::vector<double> values(400);
  for (size_t i = 0; i < 120; ++i) values[i] = 1;
  const Estimate estimate = MeanWithInterval(values);
  const double half = 1.96 * std::sqrt(0.3 * 0.7 / 400);
  EXPECT_DOUBLE_EQ(estimate.value, 0.3);
  EXPECT_NEAR(estimate.low, 0.3 - half, 0.006);
  EXPECT_NEAR(estimate.high, 0.3 + half, 0.006);
  EXPECT_TRUE(estimate.low < 0.3 && 0.3 < estimate.high);
}

TEST(Bootstrap, ASeedDecidesIt) {
  const std::vector<double> values = {0, 1, 4, 9, 16, 25};
  BootstrapOptions options;
  const Estimate a = MeanWithInterval(values, options), b = MeanWithInterval(values, options);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  options.seed = 2;
  const Estimate c = MeanWithInterval(values, options);
  EXPECT_TRUE(c.low != a.low || c.high != a.high);
  EXPECT_EQ(c.value, a.value);
}

// Of 300 samples of 60 uniform numbers, about 95 % of the intervals hold the true mean: between 90
// and 99 %, four standard deviations of that count and the bootstrap's known smallness.
TEST(Bootstrap, CoversTheTruth) {
  Random random(11);
  BootstrapOptions options;
  options.resamples = 400;
  int covered = 0;
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<double> values(60);
    for (double& value : values) value = Uniform(&random);
    options.seed = static_cast<uint64_t>(trial);
    const Estimate estimate = MeanWithInterval(values, options);
    covered += estimate.low <= 0.5 && 0.5 <= estimate.high;
  }
  EXPECT_GE(covered, 270);
  EXPECT_LE(covered, 297);
}

// What two methods share cancels: the interval of the difference is as narrow as the difference is
// steady, however much the examples vary.
TEST(Bootstrap, PairsCancelWhatTheyShare) {
  Random random(5);
  std::vector<double> a(100), b(100);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = 1000 * Uniform(&random);
    b[i] = a[i] + 0.5;
  }
  const Estimate difference = PairedDifference(a, b);
  EXPECT_NEAR(difference.value, 0.5, 1e-9);
  EXPECT_NEAR(difference.low, 0.5, 1e-9);
  EXPECT_NEAR(difference.high, 0.5, 1e-9);
  EXPECT_GT(MeanWithInterval(a).high - MeanWithInterval(a).low, 50);
}

}  // namespace
}  // namespace kvlink::eval

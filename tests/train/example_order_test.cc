// The order of examples: decided by the seed, each pass of a part takes all of it, weights are
// kept, and skipping equals drawing.
#include "train/example_order.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "train/schedule.h"

namespace kvlink::train {
namespace {

TEST(ExampleOrder, OnePartIsShuffledAnewEachEpoch) {
  ExampleOrder order({{7, 1}}, 42);
  EXPECT_EQ(order.epoch_draws(), 7);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    for (const int64_t expected : EpochOrder(7, 42, epoch)) {
      const Draw draw = order.Next();
      EXPECT_EQ(draw.index, expected);
      EXPECT_EQ(draw.pass, epoch);
    }
  }
  EXPECT_NE(EpochOrder(7, 42, 0), EpochOrder(7, 42, 1));
}

TEST(ExampleOrder, WeightsAreShares) {
  // Sizes that the weights do not follow: the second part is passed through many times.
  ExampleOrder order({{10'000, 1}, {30, 3}}, 5);
  constexpr int kDraws = 20'000;
  std::map<int64_t, std::set<int64_t>> pass;  // of the second part: what was drawn in it
  int first = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Draw draw = order.Next();
    if (draw.part == 0) {
      ++first;
      EXPECT_EQ(draw.pass, 0);
    } else {
      EXPECT_TRUE(pass[draw.pass].insert(draw.index).second) << "drawn twice in a pass";
    }
  }
  // Five deviations of a binomial share of a quarter.
  EXPECT_NEAR(first, kDraws / 4, 5 * std::sqrt(kDraws * 0.25 * 0.75));
  for (size_t p = 0; p + 1 < pass.size(); ++p) EXPECT_EQ(pass[p].size(), 30u);
}

RC_GTEST_PROP(ExampleOrder, SkippingEqualsDrawing, ()) {
  std::vector<PartSize> parts;
  const int count = *rc::gen::inRange(1, 5);
  for (int i = 0; i < count; ++i) {
    parts.push_back({*rc::gen::inRange<int64_t>(1, 20), *rc::gen::inRange(1, 100) / 10.0});
  }
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const auto skipped = *rc::gen::inRange<int64_t>(0, 200);
  ExampleOrder drawn(parts, seed), resumed(parts, seed);
  for (int64_t i = 0; i < skipped; ++i) (void)drawn.Next();
  resumed.Skip(skipped);
  for (int i = 0; i < 50; ++i) {
    const Draw a = drawn.Next(), b = resumed.Next();
    RC_ASSERT(a.part == b.part && a.index == b.index && a.pass == b.pass);
    RC_ASSERT(a.index >= 0 && a.index < parts[a.part].count);
  }
}

}  // namespace
}  // namespace kvlink::train

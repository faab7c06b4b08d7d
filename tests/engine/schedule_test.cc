// Who computes how many tokens in a step: a table of cases, and what must hold for any.
#include "engine/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"

namespace kvlink::engine {

void PrintTo(const Share& share, std::ostream* out) {
  *out << "{" << share.work << ", " << share.tokens << "}";
}

namespace {

constexpr StepLimits kLimits{.piece = 64, .alone_tokens = 512, .tokens = 128, .rows = 3};

std::vector<Share> Plan(const std::vector<WorkView>& works, Turns turns = {}) {
  return PlanStep(works, kLimits, &turns);
}

TEST(PlanStep, Cases) {
  using Shares = std::vector<Share>;
  EXPECT_EQ(Plan({}), Shares());
  // Alone: long steps, which end at a piece or at the prompt's end.
  EXPECT_EQ(Plan({{1, 40, 40}}), (Shares{{0, 40}}));
  EXPECT_EQ(Plan({{1, 1000, 1000}}), (Shares{{0, 512}}));
  // Documents of one request, one behind the other; a piece at least, or the rest.
  EXPECT_EQ(Plan({{1, 200, 700}, {1, 250, 700}, {1, 250, 700}}), (Shares{{0, 200}, {1, 250}}));
  // All who write get a token; a prompt beside them takes short steps.
  EXPECT_EQ(Plan({{1, 0, 0}, {2, 0, 0}, {3, 1000, 1000}}), (Shares{{0, 0}, {1, 0}, {2, 128}}));
  // The first and the shortest take turns.
  const std::vector<WorkView> two = {{1, 5000, 5000}, {2, 30, 30}};
  EXPECT_EQ(Plan(two), (Shares{{0, 128}}));
  EXPECT_EQ(Plan(two, {.first_came_last = true}), (Shares{{1, 30}}));
  // Two short ones share a step, a long one does not join them.
  EXPECT_EQ(
      Plan({{1, 5000, 5000}, {2, 60, 60}, {3, 30, 30}, {4, 90, 90}}, {.first_came_last = true}),
      (Shares{{2, 30}, {1, 60}}));
}

TEST(PlanStep, AShortRequestBehindALongOneIsNext) {
  Turns turns;
  std::vector<WorkView> works = {{1, 5000, 5000}};
  for (int step = 0; step < 3; ++step) {
    ASSERT_EQ(PlanStep(works, kLimits, &turns), (std::vector<Share>{{0, 512}}));
  }
  works.push_back({2, 100, 100});
  EXPECT_EQ(PlanStep(works, kLimits, &turns), (std::vector<Share>{{1, 100}}));
  EXPECT_EQ(PlanStep(works, kLimits, &turns), (std::vector<Share>{{0, 128}}));
}

TEST(PlanStep, MoreWritersThanRowsTakeTurns) {
  Turns turns;
  const std::vector<WorkView> works(7, {1, 0, 0});
  std::map<size_t, int> tokens;
  for (int step = 0; step < 7; ++step) {
    for (const Share& share : PlanStep(works, kLimits, &turns)) ++tokens[share.work];
  }
  for (const auto& [work, count] : tokens) EXPECT_EQ(count, 3) << work;
  EXPECT_EQ(tokens.size(), 7u);
}

// Whatever arrives, every prompt is computed, in shares that end at pieces, within limits.
TEST(PlanStep, NobodyStarves) {
  const uint64_t seed = 20260101;
  Random random(seed);
  Turns turns;
  std::vector<WorkView> works;
  std::map<uint64_t, int64_t> waited;  // steps
  uint64_t next = 1;
  int64_t longest = 0;
  for (int step = 0; step < 5000; ++step) {
    // Short ones keep coming, faster than they can be served alone.
    const auto left = static_cast<int64_t>(random.Below(4) == 0 ? 500 : 20 + random.Below(60));
    if (works.size() < 40) works.push_back({next++, left, left});
    const std::vector<Share> shares = PlanStep(works, kLimits, &turns);
    ASSERT_FALSE(shares.empty());
    int64_t tokens = 0;
    for (const Share& share : shares) {
      WorkView& work = works[share.work];
      ASSERT_GT(share.tokens, 0);
      ASSERT_LE(share.tokens, work.left);
      ASSERT_TRUE(share.tokens == work.left || share.tokens % kLimits.piece == 0);
      tokens += share.tokens;
      work.left -= share.tokens;
      work.request_left = work.left;
    }
    ASSERT_LE(tokens, works.size() == 1 ? kLimits.alone_tokens : kLimits.tokens);
    std::erase_if(works, [&](const WorkView& work) {
      if (work.left > 0) return false;
      longest = std::max(longest, waited[work.request]);
      return true;
    });
    for (const WorkView& work : works) ++waited[work.request];
  }
  EXPECT_LT(longest, 400) << "seed " << seed;
}

}  // namespace
}  // namespace kvlink::engine

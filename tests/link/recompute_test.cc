// Which tokens are computed again, and the plan in which they are: tables. That the prompt then
// means what it should: tests/engine/methods_test.cc.
#include "link/recompute.h"

#include <gtest/gtest.h>

#include <cmath>

namespace kvlink::link {
namespace {

// preamble 10 11 | documents 20 21 22, none, 30 | one link token each | question 90
LinkPlan SmallPlan() {
  const std::vector<int32_t> preamble = {10, 11}, question = {90}, links = {~0, ~1, ~2};
  const std::vector<std::vector<int32_t>> documents = {{20, 21, 22}, {}, {30}};
  return MakePlan({.preamble = preamble,
                   .documents = documents,
                   .question = question,
                   .k = 1,
                   .link_ids = links});
}

using Indices = std::vector<int32_t>;

TEST(Recompute, BlockTokensAreThoseOfDocuments) {
  EXPECT_EQ(BlockTokens(SmallPlan()), (Indices{2, 3, 4, 7}));
  EXPECT_EQ(BlockTokens(LinkPlan{}), Indices{});
}

TEST(Recompute, FirstOfEach) {
  EXPECT_EQ(FirstOfEach(SmallPlan(), 0), Indices{});
  EXPECT_EQ(FirstOfEach(SmallPlan(), 1), (Indices{2, 7}));
  EXPECT_EQ(FirstOfEach(SmallPlan(), 2), (Indices{2, 3, 7}));
  EXPECT_EQ(FirstOfEach(SmallPlan(), 1000), BlockTokens(SmallPlan()));
}

TEST(Recompute, ScoresThatAreNoNumbersComeLast) {
  const float nan = std::nanf("");
  const Indices tokens = {3, 5, 7, 9};
  EXPECT_EQ(Largest(tokens, std::vector<float>{nan, 1, nan, 2}, 0.5), (Indices{5, 9}));
  EXPECT_EQ(Largest(tokens, std::vector<float>{nan, nan, nan, nan}, 0.5), (Indices{3, 5}));
}

TEST(Recompute, LargestRoundsAndPrefersTheEarlierOfEqualOnes) {
  const Indices tokens = {2, 3, 4, 7};
  const std::vector<float> scores = {1, 5, 1, 3};
  EXPECT_EQ(Largest(tokens, scores, 0), Indices{});
  EXPECT_EQ(Largest(tokens, scores, 0.12), Indices{});
  EXPECT_EQ(Largest(tokens, scores, 0.13), (Indices{3}));
  EXPECT_EQ(Largest(tokens, scores, 0.5), (Indices{3, 7}));
  EXPECT_EQ(Largest(tokens, scores, 0.75), (Indices{2, 3, 7}));
  EXPECT_EQ(Largest(tokens, scores, 1), tokens);
  EXPECT_EQ(Largest({}, {}, 1), Indices{});
}

TEST(Recompute, ChosenTokensAreComputedInOrderAndSeeEverythingBefore) {
  const LinkPlan before = SmallPlan();
  EXPECT_EQ(before.computed, (Indices{5, 6, 8, 9}));
  const LinkPlan plan = Recomputed(before, Indices{3, 7});
  EXPECT_EQ(plan.computed, (Indices{3, 5, 6, 7, 8, 9}));
  EXPECT_EQ(plan.blocks.size(), before.blocks.size());
  for (size_t i = 0; i < plan.tokens.size(); ++i) {
    EXPECT_EQ(plan.tokens[i].id, before.tokens[i].id);
    EXPECT_EQ(plan.tokens[i].position, before.tokens[i].position);
    EXPECT_EQ(plan.tokens[i].source, before.tokens[i].source);
    EXPECT_EQ(plan.tokens[i].segment, i == 3 || i == 7 ? 0 : before.tokens[i].segment);
  }
}

TEST(Recompute, TheBlocksCopyIsHidden) {
  const auto block = [](int32_t tokens) {
    auto builder = kv::BlockBuilder::Create({}, {1, 1, 2, tokens, DType::kF32},
                                            std::vector<int32_t>(static_cast<size_t>(tokens)), "");
    EXPECT_TRUE(builder.ok());
    return std::move(*builder).Finish();
  };
  const LinkPlan plan = Recomputed(SmallPlan(), Indices{3, 7});
  const LinkedPrompt linked = Link(plan, {block(2), block(3), nullptr, block(1)});
  ASSERT_EQ(linked.segments.size(), 3u);
  EXPECT_EQ(linked.segments[0].hidden, nullptr);
  ASSERT_NE(linked.segments[1].hidden, nullptr);
  EXPECT_EQ(std::vector<uint8_t>(linked.segments[1].hidden, linked.segments[1].hidden + 3),
            (std::vector<uint8_t>{0, 1, 0}));
  ASSERT_NE(linked.segments[2].hidden, nullptr);
  EXPECT_EQ(linked.segments[2].hidden[0], 1);
  EXPECT_EQ(linked.in_document, (std::vector<uint8_t>{1, 0, 0, 1, 0, 0}));
  EXPECT_EQ(linked.positions, (Indices{3, 5, 6, 7, 8, 9}));
  EXPECT_EQ(linked.segment_ids, Indices(6, 0));
}

}  // namespace
}  // namespace kvlink::link

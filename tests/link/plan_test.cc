// The link plan: tables of small prompts, and the property that the visibility which blocks imply
// is the visibility which segments state.
#include "link/plan.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <tuple>

namespace kvlink::link {
namespace {

using Row = std::tuple<int32_t, int32_t, int32_t, std::string_view>;  // id, position, segment
using BlockRow = std::tuple<int32_t, int32_t, int32_t>;               // start, length, document

std::vector<Row> Rows(const LinkPlan& plan) {
  std::vector<Row> rows;
  for (const PlannedToken& t : plan.tokens) {
    rows.emplace_back(t.id, t.position, t.segment, Name(t.source));
  }
  return rows;
}

std::vector<BlockRow> Blocks(const LinkPlan& plan) {
  std::vector<BlockRow> rows;
  for (const PlannedBlock& b : plan.blocks) rows.emplace_back(b.start, b.length, b.document);
  return rows;
}

struct Prompt {
  std::vector<int32_t> preamble{}, question{}, link_ids{};
  std::vector<std::vector<int32_t>> documents{};
  int32_t k = 0;
  bool full = false;

  LinkPlan Plan() const {
    return MakePlan({.preamble = preamble,
                     .documents = documents,
                     .question = question,
                     .k = k,
                     .link_ids = link_ids,
                     .full = full});
  }
};

TEST(PlanTest, NothingGivesNothing) {
  const LinkPlan plan = Prompt{}.Plan();
  EXPECT_TRUE(plan.tokens.empty());
  EXPECT_TRUE(plan.blocks.empty());
  EXPECT_TRUE(plan.computed.empty());
}

TEST(PlanTest, NoDocuments) {
  const LinkPlan plan = Prompt{.preamble = {10, 11}, .question = {90}, .k = 5}.Plan();
  EXPECT_EQ(Rows(plan),
            (std::vector<Row>{{10, 0, 0, "system"}, {11, 1, 0, "system"}, {90, 2, 0, "question"}}));
  EXPECT_EQ(Blocks(plan), (std::vector<BlockRow>{{0, 2, -1}}));
  EXPECT_EQ(plan.computed, (std::vector<int32_t>{2}));
}

TEST(PlanTest, OneDocumentWithoutLinks) {
  const LinkPlan plan =
      Prompt{.preamble = {10}, .question = {90, 91}, .documents = {{20, 21}}}.Plan();
  EXPECT_EQ(Rows(plan), (std::vector<Row>{{10, 0, 0, "system"},
                                          {20, 1, 1, "document"},
                                          {21, 2, 1, "document"},
                                          {90, 3, 0, "question"},
                                          {91, 4, 0, "question"}}));
  EXPECT_EQ(Blocks(plan), (std::vector<BlockRow>{{0, 1, -1}, {1, 2, 0}}));
  EXPECT_EQ(plan.computed, (std::vector<int32_t>{3, 4}));
}

TEST(PlanTest, LinkTokensTakePositionsAndBelongToTheSlot) {
  const LinkPlan plan = Prompt{.preamble = {10},
                               .question = {90},
                               .link_ids = {~0, ~1, 128013, 128014},
                               .documents = {{20, 21}, {30}},
                               .k = 2}
                            .Plan();
  EXPECT_EQ(Rows(plan), (std::vector<Row>{{10, 0, 0, "system"},
                                          {20, 1, 1, "document"},
                                          {21, 2, 1, "document"},
                                          {~0, 3, 0, "link"},
                                          {~1, 4, 0, "link"},
                                          {30, 5, 2, "document"},
                                          {128013, 6, 0, "link"},
                                          {128014, 7, 0, "link"},
                                          {90, 8, 0, "question"}}));
  // start(i+1) = start(i) + len(i) + K
  EXPECT_EQ(Blocks(plan), (std::vector<BlockRow>{{0, 1, -1}, {1, 2, 0}, {5, 1, 1}}));
  EXPECT_EQ(plan.computed, (std::vector<int32_t>{3, 4, 6, 7, 8}));
}

TEST(PlanTest, EmptyDocumentKeepsItsPlaceAndItsLinks) {
  const LinkPlan plan =
      Prompt{.question = {90}, .link_ids = {1, 2, 3}, .documents = {{}, {20}, {}}, .k = 1}.Plan();
  EXPECT_EQ(Rows(plan), (std::vector<Row>{{1, 0, 0, "link"},
                                          {20, 1, 2, "document"},
                                          {2, 2, 0, "link"},
                                          {3, 3, 0, "link"},
                                          {90, 4, 0, "question"}}));
  EXPECT_EQ(Blocks(plan), (std::vector<BlockRow>{{0, 0, 0}, {1, 1, 1}, {3, 0, 2}}));
  EXPECT_EQ(plan.computed, (std::vector<int32_t>{0, 2, 3, 4}));
}

TEST(PlanTest, EmptyHeadHasNoBlock) {
  const LinkPlan plan = Prompt{.question = {90}, .documents = {{20}}}.Plan();
  EXPECT_EQ(Blocks(plan), (std::vector<BlockRow>{{0, 1, 0}}));
}

TEST(PlanTest, FullModeComputesDocumentsInSegmentZeroWithoutLinks) {
  const LinkPlan plan = Prompt{.preamble = {10},
                               .question = {90},
                               .link_ids = {1, 2},
                               .documents = {{20}, {30}},
                               .k = 1,
                               .full = true}
                            .Plan();
  EXPECT_EQ(Rows(plan), (std::vector<Row>{{10, 0, 0, "system"},
                                          {20, 1, 0, "document"},
                                          {30, 2, 0, "document"},
                                          {90, 3, 0, "question"}}));
  EXPECT_EQ(Blocks(plan), (std::vector<BlockRow>{{0, 1, -1}}));
  EXPECT_EQ(plan.computed, (std::vector<int32_t>{1, 2, 3}));
}

TEST(PlanTest, FortyDocumentsWithFiveLinksEach) {
  Prompt prompt{.preamble = {10, 11, 12}, .question = {90}, .k = 5};
  for (int32_t i = 0; i < 40; ++i) {
    prompt.documents.emplace_back(static_cast<size_t>(i % 4), 1000 + i);
    for (int32_t j = 0; j < 5; ++j) prompt.link_ids.push_back(128011 + 5 * i + j);
  }
  const LinkPlan plan = prompt.Plan();
  ASSERT_EQ(plan.blocks.size(), 41u);
  for (size_t i = 1; i + 1 < plan.blocks.size(); ++i) {
    EXPECT_EQ(plan.blocks[i + 1].start, plan.blocks[i].start + plan.blocks[i].length + 5);
  }
  EXPECT_EQ(plan.tokens.size(), 3u + 10 * (0 + 1 + 2 + 3) + 40 * 5 + 1);
  EXPECT_EQ(plan.computed.size(), 40u * 5 + 1);
}

Prompt AnyPrompt() {
  Prompt prompt;
  const auto ids = rc::gen::container<std::vector<int32_t>>(rc::gen::inRange(0, 1000));
  const auto few = rc::gen::resize(6, ids);  // empty ones are common at this size
  prompt.preamble = *few;
  prompt.question = *few;
  prompt.documents =
      *rc::gen::resize(8, rc::gen::container<std::vector<std::vector<int32_t>>>(few));
  prompt.k = *rc::gen::element(0, 1, 5);
  prompt.full = *rc::gen::weightedElement<bool>({{4, false}, {1, true}});
  for (size_t i = 0; i < prompt.k * prompt.documents.size(); ++i) {
    prompt.link_ids.push_back(~static_cast<int32_t>(i));
  }
  return prompt;
}

// What attention does with a plan: a block's token sees its own block up to itself; a computed
// token sees every block that ends before it, and computed tokens up to itself.
std::vector<std::vector<bool>> VisibilityFromBlocks(const LinkPlan& plan) {
  const size_t length = plan.tokens.size();
  std::vector<int> block_of(length, -1);
  for (size_t b = 0; b < plan.blocks.size(); ++b) {
    for (int32_t j = 0; j < plan.blocks[b].length; ++j) {
      block_of[plan.blocks[b].start + j] = static_cast<int>(b);
    }
  }
  std::vector<std::vector<bool>> sees(length, std::vector<bool>(length, false));
  for (size_t q = 0; q < length; ++q) {
    for (size_t k = 0; k < length; ++k) {
      if (block_of[q] >= 0) {
        sees[q][k] = block_of[k] == block_of[q] && k <= q;
      } else if (block_of[k] >= 0) {
        const PlannedBlock& block = plan.blocks[block_of[k]];
        sees[q][k] = block.start + block.length <= plan.tokens[q].position;
      } else {
        sees[q][k] = plan.tokens[k].position <= plan.tokens[q].position;
      }
    }
  }
  return sees;
}

RC_GTEST_PROP(PlanProperty, BlocksAndSegmentsGiveTheSameVisibility, ()) {
  const LinkPlan plan = AnyPrompt().Plan();
  const auto by_blocks = VisibilityFromBlocks(plan);
  for (size_t q = 0; q < plan.tokens.size(); ++q) {
    for (size_t k = 0; k < plan.tokens.size(); ++k) {
      const int32_t segment = plan.tokens[q].segment;
      const bool by_segments = k <= q && (segment == 0 || segment == plan.tokens[k].segment);
      RC_ASSERT(by_blocks[q][k] == by_segments);
    }
  }
}

RC_GTEST_PROP(PlanProperty, EveryTokenIsInOneBlockOrComputedOnceAndNoneIsLost, ()) {
  const Prompt prompt = AnyPrompt();
  const LinkPlan plan = prompt.Plan();
  std::vector<int> times(plan.tokens.size(), 0);
  for (const int32_t i : plan.computed) ++times.at(i);
  int32_t end = 0;
  for (const PlannedBlock& block : plan.blocks) {
    RC_ASSERT(block.start >= end);
    end = block.start + block.length;
    for (int32_t i = block.start; i < end; ++i) ++times.at(i);
  }
  for (const int n : times) RC_ASSERT(n == 1);
  RC_ASSERT(std::is_sorted(plan.computed.begin(), plan.computed.end()));

  std::vector<int32_t> expected = prompt.preamble;
  for (size_t i = 0; i < prompt.documents.size(); ++i) {
    expected.insert(expected.end(), prompt.documents[i].begin(), prompt.documents[i].end());
    if (prompt.full) continue;
    for (int32_t j = 0; j < prompt.k; ++j) expected.push_back(prompt.link_ids[i * prompt.k + j]);
  }
  expected.insert(expected.end(), prompt.question.begin(), prompt.question.end());
  RC_ASSERT(plan.tokens.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    RC_ASSERT(plan.tokens[i].id == expected[i]);
    RC_ASSERT(plan.tokens[i].position == static_cast<int32_t>(i));
  }
}

// What a document's tokens see does not depend on what stands around it: the reason why its block
// can be computed alone.
RC_GTEST_PROP(PlanProperty, ADocumentSeesItselfOnly, ()) {
  Prompt prompt = AnyPrompt();
  prompt.full = false;
  const LinkPlan plan = prompt.Plan();
  const auto sees = VisibilityFromBlocks(plan);
  for (const PlannedBlock& block : plan.blocks) {
    for (int32_t q = block.start; q < block.start + block.length; ++q) {
      for (int32_t k = 0; k < static_cast<int32_t>(plan.tokens.size()); ++k) {
        RC_ASSERT(sees[q][k] == (k >= block.start && k <= q));
      }
    }
  }
}

TEST(PlanDeathTest, LinkIdsOfAnotherLengthAreOurOwnBug) {
  const Prompt prompt{.link_ids = {1}, .documents = {{2}, {3}}, .k = 1};
  EXPECT_DEATH(prompt.Plan(), "kvlink: bug: input.full \\|\\| input.link_ids.size");
}

}  // namespace
}  // namespace kvlink::link

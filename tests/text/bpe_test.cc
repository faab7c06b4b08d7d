// Merging, against a plain quadratic reference written from the definition.
#include "text/bpe.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <utility>
#include <vector>

namespace kvlink::text {
namespace {

using Rules = std::map<std::pair<int32_t, int32_t>, Merge>;

std::vector<int32_t> Reference(const Rules& rules, std::vector<int32_t> ids) {
  for (;;) {
    Merge best;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = rules.find({ids[i], ids[i + 1]});
      if (found != rules.end() && found->second.rank < best.rank) {
        best = found->second;
        at = i;
      }
    }
    if (best.token < 0) return ids;
    ids[at] = best.token;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

MergeTable Table(const Rules& rules) {
  MergeTable table(rules.size());
  for (const auto& [pair, merge] : rules) table.Insert(pair.first, pair.second, merge);
  return table;
}

RC_GTEST_PROP(MergeWord, EqualsTheReference, ()) {
  // Any rules at all over few symbols, even ones that no training would give.
  const int32_t symbols = 6;
  Rules rules;
  const auto count = *rc::gen::inRange(0, 16);
  for (int32_t rank = 0; rank < count; ++rank) {
    const auto left = *rc::gen::inRange(0, symbols);
    const auto right = *rc::gen::inRange(0, symbols);
    rules.emplace(std::pair(left, right), Merge{rank, *rc::gen::inRange(0, symbols)});
  }
  const auto length = *rc::gen::inRange(0, 130);  // both sides of the scan's limit
  const auto word = *rc::gen::container<std::vector<int32_t>>(length, rc::gen::inRange(0, symbols));
  const MergeTable table = Table(rules);

  std::vector<int32_t> ids = {7, 7};  // what stands before the word stays
  ids.insert(ids.end(), word.begin(), word.end());
  MergeScratch scratch;
  MergeWord(table, 2, &ids, &scratch);

  std::vector<int32_t> expected = Reference(rules, word);
  expected.insert(expected.begin(), {7, 7});
  RC_ASSERT(ids == expected);

  std::vector<int32_t> again = {7, 7};  // scratch that was used before changes nothing
  again.insert(again.end(), word.begin(), word.end());
  MergeWord(table, 2, &again, &scratch);
  RC_ASSERT(again == expected);
}

TEST(MergeTable, TheFirstMergeOfAPairStays) {
  MergeTable table(2);
  table.Insert(1, 2, {0, 10});
  table.Insert(1, 2, {1, 11});
  EXPECT_EQ(table.Find(1, 2).token, 10);
  EXPECT_EQ(table.Find(1, 2).rank, 0);
  EXPECT_EQ(table.Find(2, 1).rank, INT32_MAX);
}

TEST(MergeTable, FindsEveryPairOfAFullTable) {
  constexpr int32_t kSide = 150;
  MergeTable table(kSide * kSide);
  for (int32_t l = 0; l < kSide; ++l) {
    for (int32_t r = 0; r < kSide; ++r) table.Insert(l, r, {l * kSide + r, r * kSide + l});
  }
  for (int32_t l = 0; l < kSide; ++l) {
    for (int32_t r = 0; r < kSide; ++r) {
      ASSERT_EQ(table.Find(l, r).rank, l * kSide + r);
      ASSERT_EQ(table.Find(l, r).token, r * kSide + l);
    }
  }
  EXPECT_EQ(table.Find(kSide, 0).rank, INT32_MAX);
}

}  // namespace
}  // namespace kvlink::text

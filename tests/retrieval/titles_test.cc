#include "retrieval/titles.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "retrieval/repaired_text.h"

namespace kvlink::retrieval {
namespace {

int64_t CountBytes(std::string_view text) { return static_cast<int64_t>(text.size()); }

TEST(BoundedTitle, LeavesWhatFits) {
  bool cut = false;
  EXPECT_EQ(BoundedTitle("Short", 8, CountBytes, &cut), "Short");
  EXPECT_EQ(BoundedTitle("Eight by", 8, CountBytes, &cut), "Eight by");
  EXPECT_EQ(BoundedTitle("", 8, CountBytes, &cut), "");
  EXPECT_FALSE(cut);
}

TEST(BoundedTitle, CutsAndSaysSo) {
  bool cut = false;
  EXPECT_EQ(BoundedTitle("A title that is too long", 8, CountBytes, &cut), "A tit\u2026");
  EXPECT_TRUE(cut);
  EXPECT_EQ(BoundedTitle("\u4e00\u4e8c\u4e09\u56db", 8, CountBytes, &cut), "\u4e00\u2026");
  EXPECT_EQ(BoundedTitle(std::string(10'000'000, 'x'), 8, CountBytes, &cut), "xxxxx\u2026");
}

TEST(BoundedTitle, RepairsBytes) {
  bool cut = false;
  EXPECT_EQ(BoundedTitle("caf\xe9", 8, CountBytes, &cut), "caf\uFFFD");
  EXPECT_FALSE(cut);
}

RC_GTEST_PROP(BoundedTitle, IsBoundedAndValid, (const std::string& title)) {
  bool cut = false;
  const std::string bounded = BoundedTitle(title, 9, CountBytes, &cut);
  RC_ASSERT(CountBytes(bounded) <= 9);
  RC_ASSERT(RepairUtf8(bounded).replaced_bytes == 0);
  RC_ASSERT(cut || bounded == RepairUtf8(title).text);
}

}  // namespace
}  // namespace kvlink::retrieval

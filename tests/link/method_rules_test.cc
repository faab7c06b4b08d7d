// What each method asks of the plan and the linker, by its name.
#include "link/method_rules.h"

#include <gtest/gtest.h>

namespace kvlink::link {
namespace {

TEST(MethodRulesTest, EachMethodHasItsRules) {
  struct Row {
    std::string_view name;
    bool documents;
    Layout layout;
    bool adapter, needs_adapter, needs_no_links, reencoded, ape;
    Recompute recompute;
    int32_t first;
    double fraction;
    float temperature, scale;
  };
  const Row rows[] = {
      {"link", true, Layout::kLinked, true, false, false, true, false, Recompute::kNothing, 0, 0, 1,
       1},
      {"full", true, Layout::kFull, false, false, false, true, false, Recompute::kNothing, 0, 0, 1,
       1},
      {"full+adapter", true, Layout::kFull, true, true, false, true, false, Recompute::kNothing, 0,
       0, 1, 1},
      {"none", false, Layout::kLinked, true, false, false, true, false, Recompute::kNothing, 0, 0,
       1, 1},
      {"none-base", false, Layout::kLinked, false, false, false, true, false, Recompute::kNothing,
       0, 0, 1, 1},
      {"block", true, Layout::kLinked, true, true, true, true, false, Recompute::kNothing, 0, 0, 1,
       1},
      {"reuse", true, Layout::kUnlinked, false, false, false, true, false, Recompute::kNothing, 0,
       0, 1, 1},
      {"naive", true, Layout::kUnlinked, false, false, false, false, false, Recompute::kNothing, 0,
       0, 1, 1},
      {"epic:8", true, Layout::kUnlinked, false, false, false, true, false, Recompute::kFirst, 8, 0,
       1, 1},
      {"link+epic:0", true, Layout::kLinked, true, false, false, true, false, Recompute::kFirst, 0,
       0, 1, 1},
      {"cacheblend:0.15", true, Layout::kUnlinked, false, false, false, true, false,
       Recompute::kDeviates, 0, 0.15, 1, 1},
      {"link+cacheblend:1", true, Layout::kLinked, true, false, false, true, false,
       Recompute::kDeviates, 0, 1, 1, 1},
      {"attention:0", true, Layout::kUnlinked, false, false, false, true, false,
       Recompute::kAttended, 0, 0, 1, 1},
      {"link+attention:.5", true, Layout::kLinked, true, false, false, true, false,
       Recompute::kAttended, 0, 0.5, 1, 1},
      {"ape:0.5,0.75", true, Layout::kUnlinked, false, false, false, true, true,
       Recompute::kNothing, 0, 0, 0.5f, 0.75f},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto method = ParseMethod(row.name);
    ASSERT_TRUE(method.ok()) << method.status().message();
    const MethodRules rules = RulesOf(*method);
    EXPECT_EQ(rules.method, *method);
    EXPECT_EQ(rules.uses_documents, row.documents);
    EXPECT_EQ(rules.layout, row.layout);
    EXPECT_EQ(rules.adapter, row.adapter);
    EXPECT_EQ(rules.needs_adapter, row.needs_adapter);
    EXPECT_EQ(rules.needs_no_links, row.needs_no_links);
    EXPECT_EQ(rules.reencoded, row.reencoded);
    EXPECT_EQ(rules.ape.has_value(), row.ape);
    EXPECT_EQ(rules.recompute, row.recompute);
    EXPECT_EQ(rules.first, row.first);
    EXPECT_EQ(rules.fraction, row.fraction);
    EXPECT_EQ(rules.ape.value_or(tensor::Ape()).temperature, row.temperature);
    EXPECT_EQ(rules.ape.value_or(tensor::Ape()).scale, row.scale);
    EXPECT_EQ(rules.extends_link(), row.name.starts_with("link+"));
    EXPECT_EQ(rules.is_main(), row.name == "link" || row.name == "full");
  }
}

}  // namespace
}  // namespace kvlink::link

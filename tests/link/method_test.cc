// Methods by their names: a table of those there are, and of what is refused and how.
#include "link/method.h"

#include <gtest/gtest.h>

namespace kvlink::link {
namespace {

using Recompute = Method::Recompute;

TEST(MethodTest, EachNameIsItsMethod) {
  struct Row {
    std::string_view name;
    bool documents;
    Layout layout;
    bool adapter, needs_adapter, needs_no_links, reencoded, behind_head;
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
    EXPECT_EQ(method->name, row.name);
    EXPECT_EQ(method->documents, row.documents);
    EXPECT_EQ(method->layout, row.layout);
    EXPECT_EQ(method->adapter, row.adapter);
    EXPECT_EQ(method->needs_adapter, row.needs_adapter);
    EXPECT_EQ(method->needs_no_links, row.needs_no_links);
    EXPECT_EQ(method->reencoded, row.reencoded);
    EXPECT_EQ(method->behind_head, row.behind_head);
    EXPECT_EQ(method->recompute, row.recompute);
    EXPECT_EQ(method->first, row.first);
    EXPECT_EQ(method->fraction, row.fraction);
    EXPECT_EQ(method->temperature, row.temperature);
    EXPECT_EQ(method->scale, row.scale);
    EXPECT_EQ(method->is_main(), row.name == "link" || row.name == "full");
  }
}

TEST(MethodTest, RefusesOthersAndSaysWhatThereIs) {
  for (const char* name : {"", "linked", "Full", "epic", "link+reuse", "link+ape:1,1", "link+", ":",
                           "blend:0.1", "full+adapter:1", "link+link+epic:1", "reuse "}) {
    const auto method = ParseMethod(name);
    ASSERT_FALSE(method.ok()) << name;
    EXPECT_EQ(method.code(), StatusCode::kInvalidArgument);
    for (const char* says : {"unknown method", "full+adapter", "none-base", "link+epic:TOKENS",
                             "ape:TEMPERATURE,SCALE", "docs/methods.md"}) {
      EXPECT_NE(method.status().message().find(says), std::string::npos) << name;
    }
  }
  const std::pair<const char*, const char*> numbers[] = {
      {"epic:", "0 or more"},           {"epic:-1", "0 or more"},
      {"epic:1.5", "0 or more"},        {"epic:x", "0 or more"},
      {"epic:9999999999", "0 or more"}, {"cacheblend:1.01", "0 to 1"},
      {"cacheblend:-0.1", "0 to 1"},    {"attention:nan", "0 to 1"},
      {"attention:0.1x", "0 to 1"},     {"ape:1", "above 0"},
      {"ape:0,1", "above 0"},           {"ape:1,inf", "above 0"},
      {"ape:1,1,1", "above 0"},         {"ape:,", "above 0"}};
  for (const auto& [name, says] : numbers) {
    const auto method = ParseMethod(name);
    ASSERT_FALSE(method.ok()) << name;
    EXPECT_NE(method.status().message().find(says), std::string::npos) << method.status().message();
    EXPECT_NE(method.status().message().find(name), std::string::npos);
  }
}

std::vector<std::string> NamesIn(std::string_view list) {
  const auto methods = ParseMethods(list);
  EXPECT_TRUE(methods.ok()) << methods.status().message();
  std::vector<std::string> names;
  if (methods.ok()) {
    for (const Method& method : *methods) names.push_back(method.name);
  }
  return names;
}

TEST(MethodTest, AListHasCommasBetweenMethodsAndInsideOfOne) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(NamesIn("link"), Names{"link"});
  EXPECT_EQ(NamesIn("none,full+adapter,link"), (Names{"none", "full+adapter", "link"}));
  EXPECT_EQ(NamesIn("ape:0.9,0.8"), Names{"ape:0.9,0.8"});
  EXPECT_EQ(NamesIn("full,ape:0.9,0.9,ape:1,1,epic:8,link+epic:2"),
            (Names{"full", "ape:0.9,0.9", "ape:1,1", "epic:8", "link+epic:2"}));
}

TEST(MethodTest, AListIsRefusedForWhatIsWrongInIt) {
  const std::pair<const char*, const char*> lists[] = {
      {"", "unknown method \"\""},
      {"link,", "unknown method \"\""},
      {",link", "unknown method \"\""},
      {"link,,full", "unknown method \"\""},
      {"link, full", "unknown method \" full\""},
      {"link,sideways", "\"sideways\""},
      {"ape:0.9", "as in ape:0.9,0.9"},
      {"ape:0.9,link", "as in ape:0.9,0.9"},
      {"ape:1,1,1", "unknown method \"1\""},
      {"link,full,link", "\"link\" is named twice"}};
  for (const auto& [list, says] : lists) {
    const auto methods = ParseMethods(list);
    ASSERT_FALSE(methods.ok()) << list;
    EXPECT_EQ(methods.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(methods.status().message().find(says), std::string::npos)
        << methods.status().message();
  }
}

}  // namespace
}  // namespace kvlink::link

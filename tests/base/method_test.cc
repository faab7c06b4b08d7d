// Methods by their names: what there is, and what is refused and how.
#include "kvlink/method.h"

#include <gtest/gtest.h>

namespace kvlink {
namespace {

TEST(MethodTest, ANameReadsAsItselfAgain) {
  for (const char* name : {"link", "full", "full+adapter", "none", "none-base", "block", "reuse",
                           "naive", "epic:8", "link+epic:0", "cacheblend:0.15", "link+cacheblend:1",
                           "attention:0", "link+attention:0.5", "ape:0.5,0.75", "ape:0.9,1"}) {
    const auto method = ParseMethod(name);
    ASSERT_TRUE(method.ok()) << method.status().message();
    EXPECT_EQ(Name(*method), name);
  }
  EXPECT_EQ(Name(*ParseMethod("link+attention:.5")), "link+attention:0.5");
  EXPECT_EQ(Name(Method()), "link");
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
    for (const Method& method : *methods) names.push_back(Name(method));
  }
  return names;
}

TEST(MethodTest, AListHasCommasBetweenMethodsAndInsideOfOne) {
  using List = std::vector<std::string>;
  EXPECT_EQ(NamesIn("link"), List{"link"});
  EXPECT_EQ(NamesIn("none,full+adapter,link"), (List{"none", "full+adapter", "link"}));
  EXPECT_EQ(NamesIn("ape:0.9,0.8"), List{"ape:0.9,0.8"});
  EXPECT_EQ(NamesIn("full,ape:0.9,0.9,ape:1,1,epic:8,link+epic:2"),
            (List{"full", "ape:0.9,0.9", "ape:1,1", "epic:8", "link+epic:2"}));
  EXPECT_EQ(Names(*ParseMethods("full,ape:0.9,0.9,link")), "full,ape:0.9,0.9,link");
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
}  // namespace kvlink

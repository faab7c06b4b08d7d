#include "base/bounded_json.h"

#include <gtest/gtest.h>

#include <string>

namespace kvlink {
namespace {

TEST(BoundedJson, LetsThroughWhatNestsLittle) {
  const std::string deepest =
      std::string(kMaxJsonDepth, '[') + "1" + std::string(kMaxJsonDepth, ']');
  for (const std::string& text :
       {std::string(), std::string("1"), std::string(R"({"a": [1, {"b": "\\"}]})"), deepest}) {
    EXPECT_EQ(BoundedJson(text), text);
  }
  std::string siblings = "[";
  for (int i = 0; i < 1000; ++i) siblings += "[],";
  siblings += "[]]";
  EXPECT_EQ(BoundedJson(siblings), siblings);
}

TEST(BoundedJson, BracketsInStringsDoNotNest) {
  const std::string brackets = "\"\\\"" + std::string(1000, '[') + "\"";
  EXPECT_EQ(BoundedJson(brackets), brackets);
}

TEST(BoundedJson, RefusesWhatNestsDeeply) {
  EXPECT_EQ(BoundedJson(std::string(kMaxJsonDepth + 1, '[')), "");
  EXPECT_EQ(BoundedJson(std::string(200000, '[') + std::string(200000, ']')), "");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  EXPECT_EQ(BoundedJson(objects), "");
  // The string ends at its second quote: its backslash is escaped.
  EXPECT_EQ(BoundedJson("[\"\\\\\"," + std::string(kMaxJsonDepth, '[')), "");
}

}  // namespace
}  // namespace kvlink

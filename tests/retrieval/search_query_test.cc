#include "retrieval/search_query.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace kvlink {
namespace {

TEST(SearchQuery, QuotesAndJoinsWords) {
  const struct {
    std::string_view question, expected;
  } cases[] = {
      {"", ""},
      {" ?!. ", ""},
      {"harbour ferry", "\"harbour\" OR \"ferry\""},
      {"Harbour, harbour; HARBOUR", "\"harbour\""},
      {"What is the colour of the tower?", "\"colour\" OR \"tower\""},
      {"What is that?", "\"what\" OR \"is\" OR \"that\""},  // nothing else remains
      {"don't panic", "\"don\" OR \"panic\""},
      {"AND OR NOT", "\"not\""},
      {"a\"b\" * (c:d) NEAR/3 ^e -f", "\"b\" OR \"c\" OR \"near\" OR \"3\" OR \"e\" OR \"f\""},
      {"M\u00fcller \u4e00", "\"m\u00fcller\" OR \"\u4e00\""},
      {std::string_view("x\0y", 3), "\"x\" OR \"y\""},
  };
  for (const auto& c : cases) EXPECT_EQ(SearchQuery(c.question), c.expected) << c.question;
}

TEST(SearchQuery, TakesTheFirst128WordsOfALongText) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "word" + std::to_string(i) + " ";
  const std::string query = SearchQuery(text);
  EXPECT_EQ(std::count(query.begin(), query.end(), '"'), 2 * 128);
  EXPECT_NE(query.find("\"word127\""), std::string::npos);
  EXPECT_EQ(query.find("\"word128\""), std::string::npos);
}

}  // namespace
}  // namespace kvlink

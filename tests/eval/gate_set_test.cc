// The built-in gate set is whole and consistent; others are refused with what is wrong in them.
#include "eval/gate_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "eval/metrics.h"

namespace kvlink::eval {
namespace {

std::vector<data::Example> BuiltIn() {
  auto examples = ReadGateSet(BuiltInGateSet());
  EXPECT_TRUE(examples.ok()) << examples.status().message();
  return examples.ok() ? *std::move(examples) : std::vector<data::Example>();
}

TEST(GateSet, SixtyTextsOfTheirOwnTitles) {
  const auto set = nlohmann::json::parse(BuiltInGateSet(), nullptr, false);
  ASSERT_FALSE(set.is_discarded());
  EXPECT_EQ(set["texts"].size(), 60u);
  std::set<std::string> titles, texts;
  for (const auto& text : set["texts"]) {
    titles.insert(text["title"].get<std::string>());
    texts.insert(text["text"].get<std::string>());
  }
  EXPECT_EQ(titles.size(), 60u);
  EXPECT_EQ(texts.size(), 60u);
  for (const auto& question : set["questions"]) {
    for (const auto& gold : question["gold"]) {
      EXPECT_TRUE(titles.contains(gold.get<std::string>())) << gold;
    }
  }
}

TEST(GateSet, QuestionsHaveTenDocumentsAndIdsOfTheirOwn) {
  const std::vector<data::Example> examples = BuiltIn();
  EXPECT_GE(examples.size(), 60u);
  std::set<std::string> ids, questions;
  for (const data::Example& e : examples) {
    SCOPED_TRACE(e.id);
    ids.insert(e.id);
    questions.insert(e.question);
    EXPECT_EQ(e.dataset, "gate");
    ASSERT_EQ(e.documents.size(), 10u);
    std::set<std::string> titles;
    for (const data::ExampleDocument& d : e.documents) titles.insert(d.title);
    EXPECT_EQ(titles.size(), 10u);
    ASSERT_FALSE(e.gold.empty());
    for (const int32_t gold : e.gold) {
      ASSERT_GE(gold, 0);
      ASSERT_LT(gold, 10);
    }
  }
  EXPECT_EQ(ids.size(), examples.size());
  EXPECT_EQ(questions.size(), examples.size());
}

TEST(GateSet, AnswersStandInTheirDocuments) {
  for (const data::Example& e : BuiltIn()) {
    SCOPED_TRACE(e.id + ": " + e.question);
    std::string gold, others;
    for (size_t d = 0; d < e.documents.size(); ++d) {
      const bool is_gold = std::count(e.gold.begin(), e.gold.end(), static_cast<int32_t>(d)) > 0;
      (is_gold ? gold : others) += e.documents[d].title + " " + e.documents[d].text + "\n";
    }
    // What the training and the loss take is the first answer: that one stands there to the letter.
    EXPECT_EQ(BestSubspanEm(gold, {e.answers.front()}), 1);
    EXPECT_EQ(BestSubspanEm(e.question, e.answers), 0) << "the question tells the answer";
    for (const std::string& answer : e.answers) EXPECT_FALSE(NormalizeAnswer(answer).empty());
  }
}

constexpr char kSmall[] = R"({"texts": [
  {"title": "Cranes", "text": "The harbour of Velmora has nine cranes."},
  {"title": "Oil", "text": "The lighthouse burns oil."},
  {"title": "Harbour", "text": "A harbour without cranes stands in Tarsim."}],
 "questions": [{"id": "q", "question": "How many cranes has the harbour?", "answers": ["nine"],
  "gold": ["Cranes"]}]})";

TEST(GateSet, GoldFirstThenTextsThatShareWords) {
  const auto examples = ReadGateSet(kSmall);
  ASSERT_TRUE(examples.ok()) << examples.status().message();
  ASSERT_EQ(examples->size(), 1u);
  const data::Example& e = examples->front();
  ASSERT_EQ(e.documents.size(), 3u);
  EXPECT_EQ(e.documents[0].title, "Cranes");
  EXPECT_EQ(e.documents[1].title, "Harbour");
  EXPECT_EQ(e.documents[2].title, "Oil");
  EXPECT_EQ(e.gold, std::vector<int32_t>{0});
}

TEST(GateSet, Refusals) {
  const auto with = [](const std::string& part, const std::string& instead) {
    std::string set = kSmall;
    const size_t at = set.find(part);
    EXPECT_NE(at, set.npos) << part;
    return set.replace(at, part.size(), instead);
  };
  const std::pair<std::string, const char*> sets[] = {
      {"", "\"texts\""},
      {"[]", "\"texts\""},
      {"{\"texts\": []}", "\"questions\""},
      {with("\"title\": \"Oil\"", "\"title\": 1"), "text 1"},
      {with("\"text\": \"The lighthouse burns oil.\"", "\"text\": \"\""), "text 1"},
      {with("[\"nine\"]", "[]"), "question 0"},
      {with("[\"nine\"]", "[9]"), "question 0"},
      {with("[\"Cranes\"]", "[]"), "question 0"},
      {with("[\"Cranes\"]", "[\"Bees\"]"), "no text has the title \"Bees\""},
      {with("[\"Cranes\"]", "[0]"), "no text has the title 0"}};
  for (const auto& [set, says] : sets) {
    const auto examples = ReadGateSet(set);
    ASSERT_FALSE(examples.ok()) << set;
    EXPECT_EQ(examples.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(examples.status().message().find(says), std::string::npos)
        << examples.status().message();
  }
}

}  // namespace
}  // namespace kvlink::eval

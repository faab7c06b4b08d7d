// Metrics of answers: cases by hand, and Python's own functions as a second opinion.
#include "eval/metrics.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/random.h"
#include "eval/characters.h"
#include "eval/python.h"

namespace kvlink::eval {
namespace {

TEST(Metrics, Normalisation) {
  EXPECT_EQ(NormalizeAnswer("The  Answer, is:\n\"An apple\" a-day!"), "answer is apple aday");
  EXPECT_EQ(NormalizeAnswer(""), "");
  EXPECT_EQ(NormalizeAnswer(" the a AN "), "");
  EXPECT_EQ(NormalizeAnswer("Theatre of the_absurd"), "theatre of theabsurd");
  EXPECT_EQ(NormalizeAnswer("U.S.A."), "usa");
  EXPECT_EQ(NormalizeAnswer("\u00c9COLE a\u2013b \u00c0 la"), "\u00e9cole \u2013b \u00e0 la");
  EXPECT_EQ(NormalizeAnswer("\u041c\u041e\u0421\u041a\u0412\u0410\u00a0\u0391\u03a3"),
            "\u043c\u043e\u0441\u043a\u0432\u0430 \u03b1\u03c2");
  EXPECT_EQ(NormalizeAnswer("a\u00e9 a"), "a\u00e9");
}

TEST(Metrics, BestSubspan) {
  EXPECT_EQ(BestSubspanEm("It was the Miami Heat, I think.", {"Boston", "miami heat"}), 1);
  EXPECT_EQ(BestSubspanEm("It was Miami.", {"Miami Heat"}), 0);
  EXPECT_EQ(BestSubspanEm("category", {"cat"}), 1);  // no word boundary is asked for
  EXPECT_EQ(BestSubspanEm("x", {"The"}), 1);
  EXPECT_EQ(BestSubspanEm("x", {}), 0);
}

TEST(Metrics, ExactMatch) {
  EXPECT_EQ(ExactMatch("the Heat!", {"x", "Heat"}), 1);
  EXPECT_EQ(ExactMatch("Miami Heat", {"Heat"}), 0);
}

TEST(Metrics, F1) {
  EXPECT_DOUBLE_EQ(TokenF1("Miami Heat won", {"the Miami Heat"}), 0.8);
  EXPECT_DOUBLE_EQ(TokenF1("Miami Heat won", {"Boston", "the Miami Heat"}), 0.8);
  EXPECT_DOUBLE_EQ(TokenF1("b b c", {"b d"}), 0.4);  // one b counts
  EXPECT_EQ(TokenF1("b", {"c"}), 0);
  EXPECT_EQ(TokenF1("the", {"a"}), 1);
  EXPECT_EQ(TokenF1("the", {"b"}), 0);
}

TEST(Metrics, LowerCase) {
  EXPECT_EQ(LowerCase("\u0130\u212a\u1e9e\u0480"), "i\u0307k\u00df\u0481");
  EXPECT_EQ(LowerCase("\U00010400\U0001e921"), "\U00010428\U0001e943");
  EXPECT_EQ(LowerCase("A\xff\xc3"), "a\xff\xc3");
  EXPECT_EQ(LowerCase("\u03a3\u03a3\u03a3."), "\u03c3\u03c3\u03c2.");
}

// Texts of letters of many scripts, punctuation, spaces and articles.
std::string RandomText(Random* random) {
  static const char* const kParts[] = {"the",        "The",    "a",
                                       "AN",         "an",     "A",
                                       " ",          " ",      "\u00a0",
                                       "\n",         "-",      "_",
                                       ".",          "'",      ",",
                                       "(",          "\"",     "\u2019",
                                       "\u2013",     "\u00c9", "e\u0301",
                                       "\u041c",     "\u0416", "\u03a9",
                                       "x",          "Y",      "42",
                                       "%",          "\u20ac", "\u00bd",
                                       "\u0130",     "\u4e2d", "\u0915\u093f",
                                       "\u3000",     "\u2003", "Heat",
                                       "\U0001f600", "\u212a", "\u01c5",
                                       "\u1e9e"};
  std::string text;
  const uint64_t parts = random->Below(12);
  for (uint64_t i = 0; i < parts; ++i) text += kParts[random->Below(std::size(kParts))];
  return text;
}

TEST(Metrics, EqualPythons) {
  if (!testing::PythonCan("import re, string, json")) {
    std::printf("skipped: python3 is missing\n");
    return;
  }
  Random random(20250217);
  std::string lines;
  std::vector<std::pair<std::string, std::vector<std::string>>> cases;
  for (int i = 0; i < 3000; ++i) {
    std::string prediction = RandomText(&random);
    const std::vector<std::string> answers = {RandomText(&random), RandomText(&random)};
    if (i % 3 == 0) prediction += answers[0];
    lines += nlohmann::json({prediction, answers}).dump() + "\n";
    cases.emplace_back(prediction, answers);
  }
  const std::vector<std::string> results = testing::RunPython("metrics_reference.py", lines);
  ASSERT_EQ(results.size(), cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& [prediction, answers] = cases[i];
    const nlohmann::json result = nlohmann::json::parse(results[i]);
    EXPECT_EQ(NormalizeAnswer(prediction), result[0].get<std::string>()) << prediction;
    EXPECT_EQ(BestSubspanEm(prediction, answers), result[1].get<double>()) << prediction;
    EXPECT_EQ(ExactMatch(prediction, answers), result[2].get<double>()) << prediction;
    EXPECT_NEAR(TokenF1(prediction, answers), result[3].get<double>(), 1e-12) << prediction;
  }
}

}  // namespace
}  // namespace kvlink::eval

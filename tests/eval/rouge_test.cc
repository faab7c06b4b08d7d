// ROUGE-L and its stemmer: golden numbers of PyPI's rouge-score over texts invented for them, and,
// where that package and the examples beside the tree are, hundreds of real pairs and every word.
#include "eval/rouge.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "data/pieces.h"
#include "data/readers.h"
#include "eval/porter.h"
#include "eval/python.h"
#include "eval/rouge_golden.h"
#include "support/tiny_model.h"

namespace kvlink::eval {
namespace {

using nlohmann::json;

// The same divisions of the same integers: equality is exact but for the order in F1.
void ExpectScore(const RougeScore& score, double precision, double recall, double f1,
                 const std::string& what) {
  EXPECT_EQ(score.precision, precision) << what;
  EXPECT_EQ(score.recall, recall) << what;
  EXPECT_NEAR(score.f1, f1, 1e-15) << what;
}

TEST(Rouge, GoldenPairs) {
  for (const RougeGolden& golden : kRougeGolden) {
    const std::string reference = kRougeTexts[golden.reference];
    const std::string prediction = kRougeTexts[golden.prediction];
    ExpectScore(RougeL(reference, prediction), golden.precision, golden.recall, golden.f1,
                reference + " | " + prediction);
  }
}

TEST(Rouge, GoldenStems) {
  for (const StemGolden& golden : kStemGolden) EXPECT_EQ(PorterStem(golden.word), golden.stem);
}

TEST(Rouge, Tokens) {
  EXPECT_EQ(RougeTokens("It's 3 RUNNING-dogs, was\u00e9 5\u212a"),
            (std::vector<std::string>{"it", "s", "3", "run", "dog", "was", "5k"}));
}

// A hostile answer of one letter must not take the square of its length.
TEST(Rouge, LongWords) { EXPECT_EQ(PorterStem(std::string(1 << 20, 'y')).size(), size_t{1} << 20); }

// Pairs as a summary meets its reference: the documents' leading words, about as many.
std::vector<std::pair<std::string, std::string>> RealPairs() {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const char* name : {"data/dev/samsum.jsonl.gz", "data/dev/multinews.jsonl.gz"}) {
    const std::string path = testing::SharedPath(name);
    if (path.empty()) continue;
    const auto examples = data::ReadExamples(FileSystem::Posix(), path, {});
    EXPECT_TRUE(examples.ok());
    if (!examples.ok()) continue;
    for (const data::Example& example : *examples) {
      std::string text;
      for (const data::ExampleDocument& document : example.documents) text += document.text + "\n";
      const auto pieces = data::CutText(text, data::CountWords(example.answers[0]) + 20);
      pairs.emplace_back(example.answers[0], std::string(pieces.at(0)));
    }
  }
  return pairs;
}

TEST(Rouge, EqualsThePackage) {
  if (!testing::PythonCan("import rouge_score, nltk")) {
    std::printf(
        "skipped: python3 cannot import rouge_score (KVLINK_PYTHON names another python)\n");
    return;
  }
  std::string lines;
  auto pairs = RealPairs();
  if (pairs.empty()) {
    std::printf(
        "skipped: the summaries of data/dev are missing (KVLINK_SHARED); golden pairs only\n");
    for (const RougeGolden& golden : kRougeGolden) {
      pairs.emplace_back(kRougeTexts[golden.reference], kRougeTexts[golden.prediction]);
    }
  }
  for (const auto& [reference, prediction] : pairs) {
    lines += json({"rouge", reference, prediction}).dump() + "\n";
  }
  std::set<std::string> words;
  for (const StemGolden& golden : kStemGolden) words.insert(golden.word);
  if (const std::string path = testing::SharedPath("data/text/wikitext2_valid.txt");
      !path.empty()) {
    std::ifstream file(path);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    for (char& c : text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) c = ' ';
    }
    std::istringstream in(text);
    for (std::string word; in >> word;) words.insert(word);
  }
  for (const std::string& word : words) lines += json({"stem", word}).dump() + "\n";

  const std::vector<std::string> results = testing::RunPython("rouge_reference.py", lines);
  ASSERT_EQ(results.size(), pairs.size() + words.size());
  size_t at = 0;
  for (const auto& [reference, prediction] : pairs) {
    const json score = json::parse(results[at++]);
    ExpectScore(RougeL(reference, prediction), score[0], score[1], score[2], reference);
  }
  for (const std::string& word : words) {
    EXPECT_EQ(PorterStem(word), json::parse(results[at++]).get<std::string>()) << word;
  }
  std::printf("compared: %zu pairs, %zu words\n", pairs.size(), words.size());
}

}  // namespace
}  // namespace kvlink::eval

// The texts and questions of examples/: each text is one document, each answer stands in its text,
// and searching with a question finds that text first. What a model makes of them is not asked.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "retrieval/document_index.h"
#include "retrieval/sources.h"
#include "support/read_source.h"
#include "support/tiny_model.h"

namespace kvlink::retrieval {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

fs::path Examples() { return testing::TreePath("examples"); }

// Byte-level BPE makes about 1.35 tokens of a word of plain English; 1.5 leaves room.
int64_t CountTokens(std::string_view text) {
  return 3 * (std::count(text.begin(), text.end(), ' ') + 1) / 2;
}

TEST(Examples, QuestionsFindTheTextThatHoldsTheirAnswer) {
  const TempDir dir;
  auto index = DocumentIndex::Open(dir / "documents.sqlite", false);
  ASSERT_TRUE(index.ok());
  const auto found = FindSources(FileSystem::Posix(), {(Examples() / "texts").string()});
  EXPECT_TRUE(found.failures.empty());
  std::map<std::string, SourceDocument> texts;  // by file name
  for (const std::string& path : found.paths) {
    const auto file = testing::ReadSource(FileSystem::Posix(), path, {}, CountTokens);
    ASSERT_TRUE(file.ok()) << file.status().message();
    ASSERT_EQ(file->documents.size(), 1u) << path;
    EXPECT_TRUE(file->notes.empty()) << path;
    ASSERT_TRUE((*index)->Add(file->documents[0], 0, 1).ok());
    ASSERT_TRUE((*index)->FinishSource(*file).ok());
    texts[fs::path(path).filename().string()] = file->documents[0];
  }
  EXPECT_GE(texts.size(), 24u);

  int questions = 0;
  std::ifstream lines(Examples() / "questions.jsonl");
  for (std::string line; std::getline(lines, line); ++questions) {
    const nlohmann::json question = nlohmann::json::parse(line);
    const std::string source = question.at("source");
    ASSERT_TRUE(texts.contains(source)) << line;
    const auto answers = question.at("answers").get<std::vector<std::string>>();
    EXPECT_TRUE(std::any_of(answers.begin(), answers.end(), [&](const std::string& answer) {
      return texts[source].text.find(answer) != std::string::npos;
    })) << line;
    const auto result = (*index)->Search(question.at("question").get<std::string>(), 1);
    ASSERT_TRUE(result.ok() && !result->hits.empty()) << line;
    EXPECT_EQ(result->how, HowFound::kMatched) << line;
    EXPECT_EQ(result->hits[0].document.id, texts[source].id) << line;
  }
  EXPECT_GE(questions, 8);
}

}  // namespace
}  // namespace kvlink::retrieval

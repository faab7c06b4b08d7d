// Documents that do not all fit the model's context: which of them are dropped.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kvlink/engine.h"
#include "support/tiny_model.h"

namespace kvlink::engine {
namespace {

// `longest`: of these documents, the one that is longer than the context; -1: none.
std::vector<std::string> Dropped(const std::vector<int32_t>& ranks, const std::string& method,
                                 int longest = -1) {
  const testing::TempDir folder;
  testing::TinyModelOptions tiny;
  tiny.context = 256;
  EngineOptions options;
  options.model_path = testing::WriteTinyModel(folder.path(), tiny, "tiny");
  auto engine = Engine::Open(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  Request request;
  request.question = "where?";
  request.method = *ParseMethod(method);
  request.max_tokens = 1;
  for (size_t i = 0; i < ranks.size(); ++i) {
    Document document;
    document.id = std::to_string(i);
    document.text = "number " + document.id;
    const int words = static_cast<int>(i) == longest ? 500 : 6;
    for (int word = 0; word < words; ++word) document.text += " and more words";
    document.rank = ranks[i];
    request.documents.push_back(document);
  }
  const Result<Answer> answer = (*engine)->Ask(request);
  EXPECT_TRUE(answer.ok()) << answer.status().message();
  std::vector<std::string> dropped;
  for (const DocumentUse& use : answer->document_uses) {
    if (use.status == DocumentStatus::kDropped) dropped.push_back(use.id);
  }
  EXPECT_GE(answer->warnings.size(), dropped.size());
  return dropped;
}

TEST(Context, TheHighestRankIsDroppedFirst) {
  for (const char* method : {"reuse", "full"}) {
    // Without ranks, from the end.
    const std::vector<std::string> last = Dropped({0, 0, 0, 0}, method);
    ASSERT_FALSE(last.empty());
    ASSERT_LT(last.size(), 4u);
    EXPECT_EQ(last.back(), "3");
    // The best one last, as a search's passages stand: from the front.
    const std::vector<std::string> first = Dropped({4, 3, 2, 1}, method);
    ASSERT_EQ(first.size(), last.size());
    EXPECT_EQ(first.front(), "0");
    EXPECT_EQ(Dropped({1, 9, 1, 1}, method).front(), "1");
  }
}

TEST(Context, ALongDocumentTakesNothingFromTheOthers) {
  for (const char* method : {"reuse", "full"}) {
    EXPECT_EQ(Dropped({0, 0}, method, 0), std::vector<std::string>{"0"});
    EXPECT_EQ(Dropped({3, 1, 2}, method, 1), std::vector<std::string>{"1"});
  }
}

}  // namespace
}  // namespace kvlink::engine

// Blocks whose files are cut while an answer is being written: the answer is the same, nobody hears
// it twice, and nothing ends the process.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/engine_impl.h"
#include "kvlink/engine.h"
#include "support/tiny_model.h"

namespace kvlink::engine {
namespace {

namespace fs = std::filesystem;

class ChangedBlockTest : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> Open(const std::string& store) {
    EngineOptions options;
    options.model_path = model_;
    options.store_path = folder_ / store;
    options.threads = 1;
    auto engine = Engine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    return *std::move(engine);
  }
  Request MakeRequest() const {
    Request request;
    request.question = "what of the harbour?";
    Document first, second;
    first.title = "Harbour";
    first.text = "Nine cranes stand at the harbour, and one of them is green.";
    second.text = "Green oil is kept in the house behind the market.";
    request.documents = {first, second};
    request.max_tokens = 40;
    request.sampling.temperature = 2;
    request.sampling.seed = 7;
    return request;
  }
  // Files of the store's blocks are given this size.
  int Cut(const std::string& store, size_t left) {
    int cut = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / (store + "/blocks"))) {
      if (entry.path().extension() != ".kvb") continue;
      fs::resize_file(entry.path(), std::min<uintmax_t>(left, entry.file_size()));
      ++cut;
    }
    return cut;
  }
  // An answer computed step by step here; `at` is called after each step with what was heard.
  Result<Answer> AskInSteps(const std::string& store, const Request& request,
                            const std::function<void(const std::string&)>& at, std::string* heard) {
    const auto engine = Open(store);
    auto& parts_of = static_cast<EngineImpl&>(*engine);
    link::Indexer indexer(&parts_of.linkable().model(), &parts_of.store(), nullptr, nullptr);
    const EngineParts parts{&parts_of.linkable(), &indexer, &indexer, &Clock::System(),
                            &engine->model()};
    std::optional<Result<Answer>> answer;
    auto generation = Generation::Create(parts, request, [&](Event event) {
      if (event.kind == Event::Kind::kDone) answer = std::move(event.answer);
      *heard += event.text;
    });
    if (!generation.ok()) return generation.status();
    Loop loop(parts, int64_t{1} << 30);
    EXPECT_TRUE(loop.Add(*std::move(generation)).ok());
    while (loop.Step()) at(*heard);
    EXPECT_TRUE(answer.has_value());
    return *std::move(answer);
  }

  testing::TempDir folder_;
  std::string model_ = testing::WriteTinyModel(folder_.path(), {});
};

TEST_F(ChangedBlockTest, AnAnswerUnderWayIsTakenUpAgain) {
  const auto undisturbed = Open("a")->Ask(MakeRequest());
  ASSERT_TRUE(undisturbed.ok()) << undisturbed.status().message();
  ASSERT_GT(undisturbed->generated.size(), 20u);
  for (const size_t left : {0, 4096, 5000}) {
    SCOPED_TRACE(left);
    const std::string store = "cut" + std::to_string(left);
    ASSERT_TRUE(Open(store)->Ask(MakeRequest()).ok());  // the blocks are files from here on
    std::string heard;
    bool cut = false;
    const auto answer = AskInSteps(
        store, MakeRequest(),
        [&](const std::string& so_far) {
          if (so_far.size() > 8 && !std::exchange(cut, true)) {
            EXPECT_GE(Cut(store, left), 2);
          }
        },
        &heard);
    ASSERT_TRUE(answer.ok()) << answer.status().message();
    EXPECT_TRUE(cut);
    EXPECT_EQ(answer->text, undisturbed->text);
    EXPECT_EQ(heard, undisturbed->text);
    EXPECT_EQ(answer->document_uses[0].status, DocumentStatus::kComputed);
    ASSERT_FALSE(answer->warnings.empty());
    EXPECT_NE(answer->warnings.back().find("changed while it was in use"), std::string::npos);
    // What the store holds now is right.
    const auto again = Open(store)->Ask(MakeRequest());
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->text, undisturbed->text);
    EXPECT_EQ(again->document_uses[0].status, DocumentStatus::kLinked);
  }
}

TEST_F(ChangedBlockTest, AnAnswerOfADrawnSeedIsTakenUpAgain) {
  Request request = MakeRequest();
  request.sampling.seed.reset();
  ASSERT_TRUE(Open("a")->Ask(request).ok());
  std::string heard;
  bool cut = false;
  const auto answer = AskInSteps(
      "a", request,
      [&](const std::string& so_far) {
        if (so_far.size() > 8 && !std::exchange(cut, true)) {
          EXPECT_GE(Cut("a", 0), 2);
        }
      },
      &heard);
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->document_uses[0].status, DocumentStatus::kComputed);
  EXPECT_EQ(heard, answer->text);
  request.sampling.seed = answer->seed;
  EXPECT_EQ(Open("a")->Ask(request)->text, answer->text);
}

// What was computed again lies in memory, where nobody can cut it.
TEST_F(ChangedBlockTest, FilesCutAtEveryStepDoNotMatterTwice) {
  const auto undisturbed = Open("a")->Ask(MakeRequest());
  ASSERT_TRUE(undisturbed.ok());
  std::string heard;
  const auto answer = AskInSteps(
      "a", MakeRequest(), [&](const std::string&) { Cut("a", 0); }, &heard);
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->text, undisturbed->text);
  EXPECT_EQ(heard, undisturbed->text);
}

TEST_F(ChangedBlockTest, BlocksCutBetweenAnswersAreComputedAgain) {
  const auto engine = Open("a");
  const auto first = engine->Ask(MakeRequest());
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(engine->Ask(MakeRequest())->document_uses[0].status, DocumentStatus::kLinked);
  Cut("a", 4500);
  const auto second = engine->Ask(MakeRequest());
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_EQ(second->text, first->text);
  EXPECT_EQ(second->document_uses[0].status, DocumentStatus::kComputed);
}

TEST_F(ChangedBlockTest, AStoreThatCannotBeUsedIsLeftOut) {
  ASSERT_TRUE(Open("a")->Ask(MakeRequest()).ok());
  const std::string store = folder_ / "a";
  std::vector<std::string> warnings;
  EngineOptions options;
  options.model_path = model_;
  options.store_path = store;
  options.threads = 1;
  options.warn = [&](std::string_view warning) { warnings.emplace_back(warning); };
  const auto ask = [&]() -> std::string {
    warnings.clear();
    const auto engine = Engine::Open(options);
    if (!engine.ok()) return "cannot open: " + engine.status().message();
    const auto answer = (*engine)->Ask(MakeRequest());
    return answer.ok() ? std::string(Name(answer->document_uses[0].status))
                       : answer.status().message();
  };
  EXPECT_EQ(ask(), "linked");
  // A folder in the catalogue's place: the block files answer alone.
  fs::rename(store + "/catalogue.sqlite", store + "/elsewhere");
  fs::create_directory(store + "/catalogue.sqlite");
  EXPECT_EQ(ask(), "linked");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("only read"), std::string::npos) << warnings[0];
  fs::remove(store + "/catalogue.sqlite");
  // No folder of blocks: without a store.
  fs::remove_all(store + "/blocks");
  std::ofstream(store + "/blocks") << "a file";
  EXPECT_EQ(ask(), "computed");
  ASSERT_GE(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("without the store"), std::string::npos) << warnings[0];
  // Somebody else's folder is told of, not worked around.
  options.store_path = folder_ / "foreign";
  fs::create_directory(options.store_path);
  std::ofstream(options.store_path + "/mine") << "x";
  EXPECT_TRUE(ask().starts_with("cannot open"));
}

}  // namespace
}  // namespace kvlink::engine

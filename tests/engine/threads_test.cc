// One engine that several threads call at once: each gets what it would get alone. Run under
// ThreadSanitizer too.
#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <thread>

#include "engine/engine_impl.h"
#include "support/tiny_model.h"

namespace kvlink::engine {
namespace {

Request RequestOver(int document) {
  Request request;
  request.question = "what of it?";
  request.documents.push_back({.id = "",
                               .title = "",
                               .text = "Text " + std::to_string(document) + " of the harbour.",
                               .label = ""});
  request.max_tokens = 3;
  return request;
}

TEST(EngineThreads, EachGetsWhatItWouldAlone) {
  const testing::TempDir folder;
  EngineOptions options;
  options.model_path = testing::WriteTinyModel(folder.path(), {});
  options.store_path = folder / "store";
  options.threads = 1;
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  constexpr int kThreads = 3, kRounds = 4;
  std::vector<std::string> alone;
  for (int i = 0; i < kThreads; ++i) {
    const auto answer = (*engine)->Ask(RequestOver(i));
    ASSERT_TRUE(answer.ok()) << answer.status().message();
    alone.push_back(answer->text);
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const Request request = RequestOver(i);
      for (int round = 0; round < kRounds; ++round) {
        const auto encoded = (*engine)->Encode(request.documents[0]);
        wrong += !encoded.ok();
        const auto answer = (*engine)->Ask(request);
        wrong += !answer.ok() || answer->text != alone[static_cast<size_t>(i)];
        wrong += (*engine)->Describe(request.documents[0]).block.empty();
        if (i == 0) (void)(*engine)->RemoveBlock(RequestOver(1).documents[0]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(EngineThreads, MoreThanMayBeUsedAreCutAndSaid) {
  const testing::TempDir folder;
  EngineOptions options;
  options.model_path = testing::WriteTinyModel(folder.path(), {});
  options.threads = 100000;
  std::string warnings;
  options.warn = [&](std::string_view line) { warnings += std::string(line) + "\n"; };
  const int before = omp_get_max_threads();
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_NE(warnings.find("100000 threads were asked for"), std::string::npos) << warnings;
  EXPECT_TRUE((*engine)->Ask(RequestOver(0)).ok());
  EXPECT_EQ(omp_get_max_threads(), before);  // the caller's own setting
}

}  // namespace
}  // namespace kvlink::engine

// Nothing of the store stands between a question and its first token: what was computed is kept
// while the answer is written, and what could not be kept is said behind it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "kv/disk_store.h"
#include "kvlink/engine.h"
#include "support/tiny_model.h"

namespace kvlink::engine {
namespace {

class KeptLaterTest : public ::testing::Test {
 protected:
  Result<Answer> Ask(const EngineOptions& options, const TextSink& sink) {
    const auto engine = Engine::Open(options);
    if (!engine.ok()) return engine.status();
    Request request;
    request.question = "what of the harbour?";
    Document document;
    document.text = "Nine cranes stand at the harbour, and one of them is green.";
    document.label = "{}";
    request.documents = {document};
    request.max_tokens = 20;
    request.sampling.temperature = 2;
    request.sampling.seed = 7;
    return (*engine)->Ask(request, sink);
  }
  EngineOptions Options() const {
    EngineOptions options;
    options.model_path = model_;
    options.store_path = folder_ / "store";
    options.threads = 1;
    return options;
  }

  // Over a store that asks this before it keeps a block.
  EngineOptions OptionsWith(kv::KeepRule before_keeping) const {
    kv::DiskStoreOptions store;
    store.path = folder_ / "store";
    store.before_keeping = std::move(before_keeping);
    auto disk = kv::DiskStore::Open(store);
    EXPECT_TRUE(disk.ok()) << disk.status().message();
    EngineOptions options = Options();
    options.store_path.clear();
    options.store = *std::move(disk);
    return options;
  }

  testing::TempDir folder_;
  std::string model_ = testing::WriteTinyModel(folder_.path(), {});
};

TEST_F(KeptLaterTest, TheFirstTextComesBeforeTheFirstBlockIsKept) {
  std::promise<void> shown;
  std::atomic<bool> waited_in_vain = false;
  std::atomic<int> asked = 0;
  const EngineOptions options = OptionsWith([&, text = shown.get_future().share()](auto, auto) {
    ++asked;
    // Where the answer waits for this, there is no text before it.
    if (text.wait_for(std::chrono::seconds(20)) != std::future_status::ready) waited_in_vain = true;
    return Status();
  });
  bool first = true;
  const auto answer = Ask(options, [&](std::string_view text) {
    if (!text.empty() && std::exchange(first, false)) shown.set_value();
    return true;
  });
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_FALSE(waited_in_vain);
  EXPECT_FALSE(first);
  EXPECT_GT(asked, 0);
  EXPECT_EQ(answer->document_uses[0].why.find("not kept"), std::string::npos);
  const auto again = Ask(Options(), {});
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->document_uses[0].status, DocumentStatus::kLinked);
  EXPECT_EQ(again->text, answer->text);
}

TEST_F(KeptLaterTest, WhatWasNotKeptIsSaidAndWarnedOfOnTheCallersThread) {
  EngineOptions options = OptionsWith([](auto, auto) { return Unavailable("it is not wanted"); });
  const std::thread::id caller = std::this_thread::get_id();
  options.warn = [&](std::string_view) { EXPECT_EQ(std::this_thread::get_id(), caller); };
  const auto answer = Ask(options, {});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_NE(answer->document_uses[0].why.find("not kept: it is not wanted"), std::string::npos)
      << answer->document_uses[0].why;
  int warnings = 0;
  for (const std::string& warning : answer->warnings) {
    warnings += warning.find("could not be kept") != std::string::npos;
  }
  EXPECT_EQ(warnings, 1);
}

}  // namespace
}  // namespace kvlink::engine

// Linked = masked on the real model, with real text, and reuse counted: f32 within 2e-3 and the
// same greedy ids, bf16 within 1e-3 nats.
#include <gtest/gtest.h>

#include "diagnose/comparison.h"
#include "kv/store.h"
#include "kvlink/engine.h"
#include "link/indexer.h"
#include "link/linkable_model.h"
#include "support/tiny_model.h"

namespace kvlink {
namespace {

constexpr int32_t kSteps = 12;

struct Text {
  const char* title;
  const char* text;
};
constexpr Text kTexts[] = {
    {"The mill at Tarn Hollow",
     "The mill at Tarn Hollow grinds rye and barley for eleven farms. Its wheel was carved from "
     "one "
     "oak by the brothers Ansel and Piet Moorland, and it has turned since the flood of 1874."},
    {"The signal tower",
     "The signal tower on Gannet Point shows a green lamp when the fishing fleet may sail. The "
     "keeper, Dora Quill, climbs its 212 steps twice a day and writes the weather in a red book."},
    {"Lantern week",
     "In lantern week each street of Varnholm hangs paper lamps of its own colour. The cooper's "
     "street took blue in 1902 and has kept it; children carry the lamps to the river on the last "
     "night."},
    {"The paper bridge",
     "The paper bridge was a joke by the engineer Tomas Feld: a model of folded card that held his "
     "dog. It hangs in the town hall beside a photograph of the dog, which was called Bolt."}};
constexpr char kQuestion[] = "Who is the keeper of the signal tower?";

class Linked : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::RealModelPath();
    if (path_.empty()) GTEST_SKIP() << "skipped: the default model is not installed";
  }

  diagnose::Difference LinkedAgainstMasked(DType dtype, int32_t k, bool* ids_equal) {
    auto model = model::Model::Load(FileSystem::Posix(), path_, {.dtype = dtype});
    EXPECT_TRUE(model.ok()) << model.status().message();
    auto links = std::make_unique<links::Links>();
    links->k = k;
    // Rows of the vocabulary's own embeddings, scaled: the size that trained ones have.
    std::vector<float> row(static_cast<size_t>((*model)->config().width));
    for (int32_t i = 0; i < k; ++i) {
      (*model)->weights().embedding.ReadRow(1000 + 17 * i, row.data());
      links->embeddings.insert(links->embeddings.end(), row.begin(), row.end());
    }
    auto m = link::LinkableModel::Create(*std::move(model), std::move(links));
    EXPECT_TRUE(m.ok()) << m.status().message();
    const auto store = kv::NewMemoryStore();
    link::Indexer indexer(&(*m)->model(), store.get(), (*m)->links(), (*m)->adapter());
    std::vector<std::vector<int32_t>> documents;
    for (const Text& t : kTexts) documents.push_back((*m)->RenderDocument(t.title, t.text, 0));
    const link::LinkPlan plan = (*m)->Plan("", documents, kQuestion, false);
    std::vector<std::shared_ptr<const kv::Block>> blocks;
    for (const link::PlannedBlock& b : plan.blocks) {
      auto fetched = indexer.Fetch(plan, b, /*prefix=*/{});
      EXPECT_TRUE(fetched.ok()) << fetched.status().message();
      blocks.push_back(fetched->block);
    }
    const link::LinkedPrompt linked = link::Link(plan, std::move(blocks)),
                             masked = link::MaskedTwin(plan);
    auto a = diagnose::Continue((*m)->model(), nullptr, (*m)->embeddings(), linked, kSteps, {});
    auto free = diagnose::Continue((*m)->model(), nullptr, (*m)->embeddings(), masked, kSteps, {});
    EXPECT_TRUE(a.ok() && free.ok());
    auto b = diagnose::Continue((*m)->model(), nullptr, (*m)->embeddings(), masked, kSteps, a->ids);
    EXPECT_TRUE(b.ok());
    *ids_equal = a->ids == free->ids;
    return diagnose::Compare(*b, *a, (*m)->model().config().vocab);
  }

  std::string path_;
};

TEST_F(Linked, EqualsMaskedInF32) {
  for (const int32_t k : {0, 5}) {
    bool ids_equal = false;
    const diagnose::Difference d = LinkedAgainstMasked(DType::kF32, k, &ids_equal);
    EXPECT_LE(d.max_logit, 2e-3) << "k " << k;
    EXPECT_TRUE(ids_equal) << "k " << k;
  }
}

TEST_F(Linked, StaysCloseInBf16) {
  bool ids_equal = false;
  EXPECT_LE(LinkedAgainstMasked(DType::kBF16, 5, &ids_equal).mean_kl, 1e-3);
}

// Counters, not text: a second question over the same documents in another order computes only the
// question.
TEST_F(Linked, AnotherOrderComputesOnlyTheQuestion) {
  const testing::TempDir folder;
  EngineOptions options;
  options.model_path = path_;
  options.store_path = folder / "store";
  Request request;
  request.question = kQuestion;
  request.max_tokens = 4;
  for (const Text& t : kTexts) request.documents.push_back({"", t.title, t.text, ""});
  int64_t question_tokens = 0, document_tokens = 0;
  {
    auto engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    const auto first = (*engine)->Ask(request);
    ASSERT_TRUE(first.ok()) << first.status().message();
    EXPECT_EQ(first->usage.linked_tokens, 0);
    EXPECT_EQ(first->usage.computed_tokens, first->usage.prompt_tokens);
    for (const DocumentUse& d : first->document_uses) {
      EXPECT_EQ(d.status, DocumentStatus::kComputed);
      document_tokens += d.tokens;
    }
    std::reverse(request.documents.begin(), request.documents.end());
    request.want_prompt = true;
    const auto second = (*engine)->Ask(request);
    ASSERT_TRUE(second.ok()) << second.status().message();
    for (const PromptToken& t : second->prompt)
      question_tokens += t.source == TokenSource::kQuestion;
    EXPECT_EQ(second->usage.computed_tokens, question_tokens);
    EXPECT_EQ(second->usage.linked_tokens, document_tokens);
    EXPECT_EQ(second->usage.exact_tokens,
              second->usage.prompt_tokens - question_tokens - document_tokens);
    for (const DocumentUse& d : second->document_uses) EXPECT_EQ(d.status, DocumentStatus::kLinked);
    // What the request owns: its question and answer, no copy of a block.
    EXPECT_LE(second->kv_own_bytes,
              (question_tokens + request.max_tokens) * (*engine)->model().kv_bytes_per_token);
  }
  // Another process would find the same: the blocks are on disk.
  auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const auto third = (*engine)->Ask(request);
  ASSERT_TRUE(third.ok()) << third.status().message();
  EXPECT_EQ(third->usage.computed_tokens, question_tokens);
  EXPECT_EQ(third->usage.linked_tokens, document_tokens);
}

}  // namespace
}  // namespace kvlink

// The trainer's pass equals the serving engine's on the same prompt: two implementations that share
// no line of arithmetic. And what a link file serves is the loss that was measured while training.
#include <gtest/gtest.h>

#include <cmath>

#include "diagnose/comparison.h"
#include "link/indexer.h"
#include "link/linker.h"
#include "link/recompute.h"
#include "links/link_file.h"
#include "train/tiny_training.h"

namespace kvlink::train {
namespace {

using testing::TinyExample;
using testing::TinySizes;
using testing::TinyTraining;

// f32 rounds at 6e-8 of activations of some tens, over three layers; logits are of size 10.
constexpr double kTolerance = 1e-3;

// The largest difference of a logit at the answer's tokens, linked by the serving pass from its own
// blocks, with the links and adapter that a link file would hold.
double LargestDifference(TinyTraining* training, const data::Example& example) {
  const TrainingPrompt prompt = training->Prompt(example);
  const at::NoGradGuard no_gradient;
  const at::Tensor logits =
      training->frozen().AnswerLogits(training->Input({&prompt, 1}), training->parameters());

  model::Model& model = training->model().model();
  const links::Links links = training->parameters().ToLinks(training->model());
  const std::unique_ptr<model::PreparedAdapter> adapter = training->AdapterOf(links);
  const auto store = kv::NewMemoryStore();
  link::Indexer indexer(&model, store.get(), &links, adapter.get());
  std::vector<std::vector<int32_t>> documents;
  for (size_t d = 0; d < example.documents.size(); ++d) {
    documents.push_back(training->model().RenderDocument(
        example.documents[d].title, example.documents[d].text, static_cast<int>(d)));
  }
  link::LinkPlan plan = training->model().Plan("", documents, example.question, training->full());
  std::vector<std::shared_ptr<const kv::Block>> blocks;
  const std::vector<int32_t> prefix = training->model().DocumentPrefix("");
  for (const link::PlannedBlock& b : plan.blocks) {
    blocks.push_back(b.length == 0 ? nullptr : indexer.Fetch(plan, b, prefix)->block);
  }
  const link::MethodRules method = link::RulesOf(training->options().methods[0]);
  const auto chosen = link::ChooseTokens(method, model, adapter.get(), links.embeddings, plan,
                                         link::Link(plan, blocks, method));
  EXPECT_TRUE(chosen.ok()) << chosen.status().message();
  plan = link::Recomputed(std::move(plan), *chosen);
  const auto served =
      diagnose::Continue(model, adapter.get(), links.embeddings, link::Link(plan, blocks, method),
                         static_cast<int32_t>(prompt.targets.size()), prompt.targets);
  EXPECT_TRUE(served.ok()) << served.status().message();
  EXPECT_EQ(logits.numel(), static_cast<int64_t>(served->logits.size()));
  const at::Tensor there = torch::tensor(served->logits).view(logits.sizes());
  EXPECT_GT(there.abs().max().item<double>(), 1);  // not two zeros compared
  return (logits - there).abs().max().item<double>();
}

TEST(ServingEqual, EveryKAndAdapter) {
  for (const int32_t k : {0, 1, 5}) {
    for (const int32_t rank : {0, 3}) {
      if (k == 0 && rank == 0) continue;  // nothing to train
      for (const bool tied : {true, false}) {
        SCOPED_TRACE("k " + std::to_string(k) + " rank " + std::to_string(rank) + " tied " +
                     std::to_string(tied));
        TrainOptions options;
        options.k = k;
        options.slots = k == 5 ? 2 : 1;
        options.rank = rank;
        TinyTraining training(options, TinySizes(tied));
        training.Randomize();
        for (const int documents : {0, 1, 4}) {
          EXPECT_LE(LargestDifference(&training, TinyExample(documents, documents)), kTolerance)
              << documents << " documents";
        }
      }
    }
  }
}

TEST(ServingEqual, HeadsThatAreNotGroupedAndManyTokens) {
  testing::TinyModelOptions sizes = TinySizes();
  sizes.heads = sizes.kv_heads = 3;
  TrainOptions options;
  options.k = 5;
  options.rank = 2;
  options.targets = {model::Projection::kK, model::Projection::kO,
                     model::Projection::kUp};  // places beside others that have none
  TinyTraining training(options, sizes);
  training.Randomize();
  data::Example example = TinyExample(12, 1);  // 60 link tokens: more than one tile of rows
  for (int i = 0; i < 40; ++i) example.answers[0] += " and the lamp";
  EXPECT_LE(LargestDifference(&training, example), kTolerance);
}

TEST(ServingEqual, FullAttentionWithTheAdapterOutsideDocuments) {
  TrainOptions options;
  options.attention = TrainAttention::kFull;
  options.rank = 3;
  TinyTraining training(options);
  training.Randomize();
  EXPECT_LE(LargestDifference(&training, TinyExample(4)), kTolerance);
}

TEST(ServingEqual, DocumentsBehindAPrefix) {
  for (const char* prefix : {"first", "head"}) {
    TrainOptions options;
    options.k = 2;
    options.rank = 3;
    TinyTraining training(options, TinySizes(), prefix);
    training.Randomize();
    for (const int documents : {0, 1, 4}) {
      EXPECT_LE(LargestDifference(&training, TinyExample(documents)), kTolerance) << documents;
    }
  }
}

// Documents with the adapter: served from blocks that belong to it, trained in one pass.
TEST(ServingEqual, TheAdapterOnDocumentsToo) {
  for (const TrainAttention attention : {TrainAttention::kLinked, TrainAttention::kFull}) {
    for (const int32_t k : {0, 2}) {
      TrainOptions options;
      options.attention = attention;
      options.scope = model::AdapterScope::kEverywhere;
      options.k = k;
      options.rank = 3;
      TinyTraining training(options);
      training.Randomize();
      for (const int documents : {0, 1, 4, 6}) {
        EXPECT_LE(LargestDifference(&training, TinyExample(documents)), kTolerance) << documents;
      }
    }
  }
}

// What is computed again is chosen alike, sees what serving lets it see, and has no adapter.
TEST(ServingEqual, TokensComputedAgain) {
  for (const char* method : {"link+epic:2", "link+attention:0.4", "link+cacheblend:0.3"}) {
    for (const int32_t rank : {0, 3}) {
      SCOPED_TRACE(std::string(method) + " rank " + std::to_string(rank));
      TrainOptions options;
      options.methods = *ParseMethods(method);
      options.k = 2;
      options.rank = rank;
      TinyTraining training(options, TinySizes(), "first");
      training.Randomize();
      for (const int documents : {0, 1, 4}) {
        EXPECT_LE(LargestDifference(&training, TinyExample(documents)), kTolerance) << documents;
      }
    }
  }
}

// Prompts that go through the layers together do not see each other.
TEST(ServingEqual, ABatchIsItsExamples) {
  TrainOptions options;
  options.k = 2;
  options.rank = 3;
  options.methods = *ParseMethods("link,link+epic:2");
  TinyTraining training(options);
  training.Randomize();
  const at::NoGradGuard no_gradient;
  std::vector<TrainingPrompt> prompts;
  double alone = 0;
  for (int which = 0; which < 3; ++which) {
    prompts.push_back(training.Prompt(TinyExample(which + 1, which), which % 2));
    alone += training.Loss({&prompts.back(), 1}).item<double>();
  }
  EXPECT_NEAR(training.Loss(prompts).item<double>(), alone, 1e-4 * alone);
}

}  // namespace
}  // namespace kvlink::train

// What the trainer's tests share: a tiny model as the trainer holds it, examples for it, and the
// loss of a pass.
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <deque>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/example.h"
#include "link/linkable_model.h"
#include "support/random_links.h"
#include "support/tiny_model.h"
#include "train/computed_again.h"
#include "train/document_blocks.h"
#include "train/frozen_model.h"
#include "train/parameters.h"
#include "train/training_prompt.h"

namespace kvlink::testing {

// A question over `documents` texts; the second is empty where there are more than two.
inline Example TinyExample(int documents, int which = 0) {
  static const char* const kWords[] = {"the mill", "a tower and a lamp", "in the town",
                                       "of paper", "she was there",      "on the river"};
  Example example;
  example.id = "tiny" + std::to_string(which);
  for (int d = 0; d < documents; ++d) {
    std::string text;
    for (int w = 0; w < 3 + 2 * ((d + which) % 3); ++w) {
      text += std::string(kWords[(which + 2 * d + w) % 6]) + " ";
    }
    example.documents.push_back(
        {d % 2 == 0 ? "title " + std::to_string(d) : "", d == 1 && documents > 2 ? "" : text});
  }
  example.question = "what was " + std::string(kWords[which % 6]) + "?";
  example.answers = {std::string(kWords[(which + 1) % 6]) + " is it"};
  return example;
}

// Sizes without a common factor but those they need: a mix-up shows.
inline TinyModelOptions TinySizes(bool tied = true) {
  TinyModelOptions sizes;
  sizes.seed = 7;
  sizes.layers = 3;
  sizes.heads = 6;
  sizes.kv_heads = 2;
  sizes.tied = tied;
  return sizes;
}

// One owner, one thread.
class TinyTraining {
 public:
  explicit TinyTraining(const TrainOptions& options, const TinyModelOptions& sizes = TinySizes(),
                        const std::string& document_prefix = "")
      : options_(options) {
    at::set_num_threads(1);
    path_ = WriteTinyModel(folder_.path(), sizes);
    auto model = Model::Load(FileSystem::Posix(), path_, {.dtype = "f32", .threads = 1});
    EXPECT_TRUE(model.ok()) << model.status().message();
    auto parameters = Parameters::Create(**model, options_, at::kCPU);
    EXPECT_TRUE(parameters.ok()) << parameters.status().message();
    parameters_ = std::make_unique<Parameters>(*std::move(parameters));
    frozen_ = *FrozenModel::Create(**model, at::kFloat, at::kCPU);
    auto links = std::make_unique<Links>();
    links->k = full() ? 0 : options_.k;
    links->slots = links->k == 0 ? 1 : options_.slots;
    links->embeddings.resize(static_cast<size_t>(links->k) * links->slots *
                             (*model)->config().width);
    if (!document_prefix.empty()) {
      links->prompt_template = *ChooseTemplate((*model)->tokenizer());
      links->prompt_template->document_prefix = document_prefix;
    }
    model_ = *LinkableModel::Create(*std::move(model), std::move(links));
    blocks_ = *DocumentBlocks::Open(&model_->model(), model_->DocumentPrefix(""), int64_t{1} << 26,
                                    "", 0);
  }

  // As if something had been learned: B would be zero else, and A without a gradient.
  void Randomize(uint32_t seed = 3) {
    const at::NoGradGuard no_gradient;
    std::mt19937 random(seed);
    at::Tensor& values = parameters_->values();
    const int64_t links = parameters_->link_count();
    const std::vector<float> link_values = RandomFloats(&random, links, 0.3f);
    const std::vector<float> rest = RandomFloats(&random, values.numel() - links, 0.15f);
    if (links > 0) values.narrow(0, 0, links).copy_(torch::tensor(link_values));
    if (!rest.empty()) {
      values.narrow(0, links, values.numel() - links).copy_(torch::tensor(rest));
    }
  }

  TrainingPrompt Prompt(const Example& example, size_t method = 0) {
    auto prompt = MakeTrainingPrompt(*model_, example, full(), options_.scope,
                                     options_.methods[method], 4096);
    EXPECT_TRUE(prompt.ok()) << prompt.status().message();
    return *std::move(prompt);
  }

  // A prompt whose method computes tokens again is brought to do so first.
  PassInput Input(std::span<const TrainingPrompt> prompts) {
    PassInput input;
    again_.clear();
    for (const TrainingPrompt& prompt : prompts) {
      input.prompts.push_back(&prompt);
      input.blocks.push_back(*blocks_->Fetch(prompt));
      if (prompt.method.recompute == Method::Recompute::kNothing) continue;
      const at::NoGradGuard no_gradient;
      const Links links = parameters_->ToLinks(*model_);
      const auto adapter = AdapterOf(links);
      auto again = ComputedAgain(model_->model(), adapter.get(), links.embeddings, prompt,
                                 input.blocks.back());
      EXPECT_TRUE(again.ok()) << again.status().message();
      again_.push_back(*std::move(again));
      input.prompts.back() = &again_.back();
    }
    return input;
  }

  // nullptr: none
  std::unique_ptr<PreparedAdapter> AdapterOf(const Links& links) {
    if (!links.adapter) return nullptr;
    return *PreparedAdapter::Create(*links.adapter, model_->model().config(),
                                    model_->model().matmul_dtype());
  }

  // Nats, summed over the answers of all prompts.
  at::Tensor Loss(std::span<const TrainingPrompt> prompts) {
    std::vector<int64_t> targets;
    for (const TrainingPrompt& prompt : prompts) {
      targets.insert(targets.end(), prompt.targets.begin(), prompt.targets.end());
    }
    return at::nll_loss(
        at::log_softmax(frozen_->AnswerLogits(Input(prompts), *parameters_), 1, at::kDouble),
        torch::tensor(targets, at::kLong), {}, at::Reduction::Sum);
  }

  bool full() const { return options_.attention == TrainAttention::kFull; }
  const TrainOptions& options() const { return options_; }
  const std::string& model_path() const { return path_; }
  std::string operator/(const std::string& name) const { return folder_ / name; }
  LinkableModel& model() { return *model_; }
  FrozenModel& frozen() { return *frozen_; }
  Parameters& parameters() { return *parameters_; }

 private:
  TempDir folder_;
  TrainOptions options_;
  std::string path_;
  std::unique_ptr<LinkableModel> model_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<FrozenModel> frozen_;
  std::unique_ptr<DocumentBlocks> blocks_;
  std::deque<TrainingPrompt> again_;
};

}  // namespace kvlink::testing

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
inline data::Example TinyExample(int documents, int which = 0) {
  static const char* const kWords[] = {"the mill", "a tower and a lamp", "in the town",
                                       "of paper", "she was there",      "on the river"};
  data::Example example;
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
  explicit TinyTraining(const train::TrainOptions& options,
                        const TinyModelOptions& sizes = TinySizes(),
                        const std::string& document_prefix = "")
      : options_(options) {
    at::set_num_threads(1);
    path_ = WriteTinyModel(folder_.path(), sizes);
    auto model =
        model::Model::Load(FileSystem::Posix(), path_, {.dtype = DType::kF32, .threads = 1});
    EXPECT_TRUE(model.ok()) << model.status().message();
    auto parameters = train::Parameters::Create(**model, options_, at::kCPU);
    EXPECT_TRUE(parameters.ok()) << parameters.status().message();
    parameters_ = std::make_unique<train::Parameters>(*std::move(parameters));
    frozen_ = *train::FrozenModel::Create(**model, at::kFloat, at::kCPU);
    auto links = std::make_unique<links::Links>();
    links->k = full() ? 0 : options_.k;
    links->slots = links->k == 0 ? 1 : options_.slots;
    links->embeddings.resize(static_cast<size_t>(links->k) * links->slots *
                             (*model)->config().width);
    if (!document_prefix.empty()) {
      links->prompt_template = *text::ChooseTemplate((*model)->tokenizer());
      links->prompt_template->document_prefix = document_prefix;
    }
    model_ = *link::LinkableModel::Create(*std::move(model), std::move(links));
    blocks_ = *train::DocumentBlocks::Open(&model_->model(), model_->DocumentPrefix(""),
                                           int64_t{1} << 26, "", 0);
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

  train::TrainingPrompt Prompt(const data::Example& example, size_t method = 0) {
    auto prompt = train::MakeTrainingPrompt(*model_, example, full(), options_.scope,
                                            options_.methods[method], 4096);
    EXPECT_TRUE(prompt.ok()) << prompt.status().message();
    return *std::move(prompt);
  }

  // A prompt whose method computes tokens again is brought to do so first.
  train::PassInput Input(std::span<const train::TrainingPrompt> prompts) {
    train::PassInput input;
    again_.clear();
    for (const train::TrainingPrompt& prompt : prompts) {
      input.prompts.push_back(&prompt);
      input.blocks.push_back(*blocks_->Fetch(prompt));
      if (prompt.rules.recompute == link::Recompute::kNothing) continue;
      const at::NoGradGuard no_gradient;
      const links::Links links = parameters_->ToLinks(*model_);
      const auto adapter = AdapterOf(links);
      auto again = train::ComputedAgain(model_->model(), adapter.get(), links.embeddings, prompt,
                                        input.blocks.back());
      EXPECT_TRUE(again.ok()) << again.status().message();
      again_.push_back(*std::move(again));
      input.prompts.back() = &again_.back();
    }
    return input;
  }

  // nullptr: none
  std::unique_ptr<model::PreparedAdapter> AdapterOf(const links::Links& links) {
    if (!links.adapter) return nullptr;
    return *model::PreparedAdapter::Create(*links.adapter, model_->model().config(),
                                           model_->model().matmul_dtype());
  }

  // Nats, summed over the answers of all prompts.
  at::Tensor Loss(std::span<const train::TrainingPrompt> prompts) {
    std::vector<int64_t> targets;
    for (const train::TrainingPrompt& prompt : prompts) {
      targets.insert(targets.end(), prompt.targets.begin(), prompt.targets.end());
    }
    return at::nll_loss(
        at::log_softmax(frozen_->AnswerLogits(Input(prompts), *parameters_), 1, at::kDouble),
        torch::tensor(targets, at::kLong), {}, at::Reduction::Sum);
  }

  bool full() const { return options_.attention == train::TrainAttention::kFull; }
  const train::TrainOptions& options() const { return options_; }
  const std::string& model_path() const { return path_; }
  std::string operator/(const std::string& name) const { return folder_ / name; }
  link::LinkableModel& model() { return *model_; }
  train::FrozenModel& frozen() { return *frozen_; }
  train::Parameters& parameters() { return *parameters_; }

 private:
  TempDir folder_;
  train::TrainOptions options_;
  std::string path_;
  std::unique_ptr<link::LinkableModel> model_;
  std::unique_ptr<train::Parameters> parameters_;
  std::unique_ptr<train::FrozenModel> frozen_;
  std::unique_ptr<train::DocumentBlocks> blocks_;
  std::deque<train::TrainingPrompt> again_;
};

}  // namespace kvlink::testing

// Full fine-tuning as the authors do it (docs/method.md, section 6): every parameter and the link
// tokens. Ends with a model of its own, written as GGUF, and a link file for that model. Private to
// the room (Torch).
#pragma once

#include <memory>
#include <span>
#include <string>

#include "link/linkable_model.h"
#include "train/full_model.h"
#include "train/learner.h"
#include "train/options.h"

namespace kvlink::train {

class FullLearner : public Learner {
 public:
  // Both outlive it. kInvalidArgument: options that full fine-tuning has no use for.
  static Result<std::unique_ptr<FullLearner>> Create(link::LinkableModel* model,
                                                     const TrainOptions& options,
                                                     at::Device device);

  at::Tensor& values() override { return full_->values(); }
  at::Tensor& gradients() override { return full_->gradients(); }
  int64_t link_count() const override { return full_->link_count(); }
  Result<double> Pass(std::span<const TrainingPrompt> prompts, bool gradient) override;
  // The model first: a link file never names a base that is not there.
  Status Save(FileSystem& files, const std::string& provenance) override;

 private:
  FullLearner(link::LinkableModel* model, const TrainOptions& options)
      : model_(model), options_(options) {}

  link::LinkableModel* model_;
  const TrainOptions& options_;
  std::unique_ptr<FullModel> full_;
};

}  // namespace kvlink::train

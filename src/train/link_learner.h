// Link tokens and adapter on a frozen base, over cached blocks (docs/method.md, section 6), with or
// without a teacher. Private to the room (Torch).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "link/linkable_model.h"
#include "train/document_blocks.h"
#include "train/frozen_model.h"
#include "train/learner.h"
#include "train/options.h"
#include "train/parameters.h"

namespace kvlink::train {

class LinkLearner : public Learner {
 public:
  // The model outlives it. start: links to go on from; nullptr: none. device: where what is trained
  // and the frozen matrices are. Errors: Parameters::Create's
  // and StartFrom's, FrozenModel::Create's, DocumentBlocks::Open's.
  static Result<std::unique_ptr<LinkLearner>> Create(link::LinkableModel* model,
                                                     const TrainOptions& options,
                                                     const links::Links* start, at::Device device);

  at::Tensor& values() override { return parameters_->values(); }
  at::Tensor& gradients() override { return parameters_->gradients(); }
  int64_t link_count() const override { return parameters_->link_count(); }
  Result<double> Pass(std::span<const TrainingPrompt> prompts, bool gradient) override;
  Status Save(FileSystem& files, const std::string& provenance) override;

 private:
  LinkLearner(link::LinkableModel* model, const TrainOptions& options)
      : model_(model), options_(options) {}
  // [targets of all prompts, V] f32: the teacher's logits, without a graph.
  Result<at::Tensor> TeacherLogits(std::span<const TrainingPrompt> prompts);

  link::LinkableModel* model_;
  const TrainOptions& options_;
  std::unique_ptr<FrozenModel> frozen_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<DocumentBlocks> blocks_;
};

}  // namespace kvlink::train

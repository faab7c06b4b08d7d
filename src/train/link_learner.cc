#include "train/link_learner.h"

#include <algorithm>
#include <deque>

#include "base/check.h"
#include "train/computed_again.h"
#include "train/device.h"
#include "train/loss.h"

namespace kvlink::train {

Result<std::unique_ptr<LinkLearner>> LinkLearner::Create(link::LinkableModel* model,
                                                         const TrainOptions& options,
                                                         const links::Links* start,
                                                         at::Device device) {
  std::unique_ptr<LinkLearner> learner(new LinkLearner(model, options));
  model::Model& base = model->model();
  const at::ScalarType dtype = TorchType(ComputeType(base, device));
  KVLINK_ASSIGN_OR_RETURN(Parameters parameters, Parameters::Create(base, options, device));
  if (start != nullptr) KVLINK_RETURN_IF_ERROR(parameters.StartFrom(*start, options.start));
  learner->parameters_ = std::make_unique<Parameters>(std::move(parameters));
  KVLINK_CHECK(options.scope == model::AdapterScope::kOutsideDocuments ||
               model->DocumentPrefix("").empty());  // trainer.cc, TemplateFor
  KVLINK_ASSIGN_OR_RETURN(learner->frozen_, FrozenModel::Create(base, dtype, device));
  KVLINK_ASSIGN_OR_RETURN(
      learner->blocks_,
      DocumentBlocks::Open(&base, model->DocumentPrefix(""), options.memory_budget, options.store,
                           options.store_budget));
  return learner;
}

Result<at::Tensor> LinkLearner::TeacherLogits(std::span<const TrainingPrompt> prompts) {
  const at::NoGradGuard no_gradient;
  PassInput input;
  input.adapter = options_.teacher == TrainTeacher::kAdapter;
  for (const TrainingPrompt& prompt : prompts) {
    KVLINK_CHECK(prompt.teacher.size() == 1);
    input.prompts.push_back(&prompt.teacher[0]);
  }
  input.blocks.resize(prompts.size());  // full attention has none
  return frozen_->AnswerLogits(input, *parameters_);
}

Result<double> LinkLearner::Pass(std::span<const TrainingPrompt> prompts, bool gradient) {
  // Before the pass that has a graph: that one's buffers must stand until its backward pass.
  const double weight = gradient ? options_.distill : 0;
  at::Tensor teacher;
  if (weight > 0) {
    KVLINK_ASSIGN_OR_RETURN(teacher, TeacherLogits(prompts));
  }
  const auto computes_again = [](const TrainingPrompt& prompt) {
    return prompt.rules.recompute != link::Recompute::kNothing && !prompt.documents.empty();
  };
  // As they are now, for the serving engine, which chooses what is computed again.
  links::Links links;
  std::unique_ptr<model::PreparedAdapter> adapter;  // null: none
  if (std::any_of(prompts.begin(), prompts.end(), computes_again)) {
    const at::NoGradGuard no_gradient;
    links = parameters_->ToLinks(*model_);
    if (links.adapter) {
      KVLINK_ASSIGN_OR_RETURN(
          adapter, model::PreparedAdapter::Create(*links.adapter, model_->model().config(),
                                                  model_->model().matmul_dtype()));
    }
  }
  PassInput input;
  std::deque<TrainingPrompt> changed;
  std::vector<int64_t> targets;
  for (const TrainingPrompt& prompt : prompts) {
    KVLINK_ASSIGN_OR_RETURN(auto blocks, blocks_->Fetch(prompt));
    input.prompts.push_back(&prompt);
    if (computes_again(prompt)) {
      KVLINK_ASSIGN_OR_RETURN(
          TrainingPrompt again,
          ComputedAgain(model_->model(), adapter.get(), links.embeddings, prompt, blocks));
      changed.push_back(std::move(again));
      input.prompts.back() = &changed.back();
    }
    input.blocks.push_back(std::move(blocks));
    targets.insert(targets.end(), prompt.targets.begin(), prompt.targets.end());
  }
  const at::AutoGradMode mode(gradient);
  const AnswerLoss loss = LossOfAnswers(frozen_->AnswerLogits(input, *parameters_),
                                        torch::tensor(targets, at::kLong), teacher, weight);
  if (gradient) loss.objective.backward();
  // A block whose file was cut meanwhile read as zeros: no step may be made of that.
  for (const auto& blocks : input.blocks) {
    for (const auto& block : blocks) KVLINK_RETURN_IF_ERROR(block->CheckUnchanged());
  }
  return loss.gold;
}

Status LinkLearner::Save(FileSystem& files, const std::string& provenance) {
  return links::SaveLinks(files, options_.out, parameters_->ToLinks(*model_),
                          model_->model().config(), provenance, options_.out_dtype);
}

}  // namespace kvlink::train

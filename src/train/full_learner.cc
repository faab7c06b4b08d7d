#include "train/full_learner.h"

#include "base/check.h"
#include "formats/gguf_copy.h"
#include "train/device.h"
#include "train/loss.h"

namespace kvlink::train {

Result<std::unique_ptr<FullLearner>> FullLearner::Create(link::LinkableModel* model,
                                                         const TrainOptions& options,
                                                         at::Device device) {
  if (options.out_model.empty()) {
    return InvalidArgument(
        "--mode full writes a model of its own: expected --out-model, another file than --model");
  }
  if (!options.start.empty()) {
    return InvalidArgument("--mode full starts from the base model alone: expected no --start");
  }
  if (options.distill > 0) {
    return InvalidArgument(
        "--mode full has no teacher, as the base itself changes: expected no --distill");
  }
  KVLINK_CHECK(model->DocumentPrefix("").empty());  // trainer.cc, TemplateFor
  std::unique_ptr<FullLearner> learner(new FullLearner(model, options));
  const model::Model& base = model->model();
  const at::ScalarType dtype = TorchType(ComputeType(base, device));
  KVLINK_ASSIGN_OR_RETURN(learner->full_, FullModel::Create(base, options, dtype, device));
  return learner;
}

Result<double> FullLearner::Pass(std::span<const TrainingPrompt> prompts, bool gradient) {
  const at::AutoGradMode mode(gradient);
  double total = 0;
  for (const TrainingPrompt& prompt : prompts) {
    const at::Tensor targets = torch::tensor(
        std::vector<int64_t>(prompt.targets.begin(), prompt.targets.end()), at::kLong);
    const AnswerLoss loss = LossOfAnswers(full_->AnswerLogits(prompt), targets, {}, 0);
    if (gradient) loss.objective.backward();
    total += loss.gold;
  }
  return total;
}

Status FullLearner::Save(FileSystem& files, const std::string& provenance) {
  const auto numbers = [&](const formats::TensorInfo& tensor) {
    const at::Tensor* trained = full_->Find(tensor.name);
    if (trained == nullptr) return model::ReadVector(tensor);
    const at::Tensor flat = trained->detach().to(at::kCPU).contiguous();
    return std::vector<float>(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  };
  KVLINK_RETURN_IF_ERROR(formats::WriteGgufCopy(files, model_->model().file(), options_.out_model,
                                                options_.out_dtype, numbers));
  KVLINK_ASSIGN_OR_RETURN(const auto written, formats::GgufFile::Open(files, options_.out_model));
  KVLINK_ASSIGN_OR_RETURN(const model::ModelConfig config, model::ReadModelConfig(*written));
  links::Links links = full_->ToLinks(*model_);
  links.base = model::ModelFingerprint(*written, config);
  return links::SaveLinks(files, options_.out, links, config, provenance, options_.out_dtype);
}

}  // namespace kvlink::train

#include "train/run_state.h"

#include <torch/torch.h>

#include <algorithm>
#include <utility>

#include "train/run_description.h"

namespace kvlink::train {
namespace {

// REQUIRES: on the CPU, contiguous, f32; undefined: empty
std::span<const float> Floats(const at::Tensor& t) {
  if (!t.defined()) return {};
  return {t.data_ptr<float>(), static_cast<size_t>(t.numel())};
}

// REQUIRES: as many
void CopyInto(std::vector<float>& from, at::Tensor* to) {
  to->copy_(torch::from_blob(from.data(), {static_cast<int64_t>(from.size())}, at::kFloat));
}

}  // namespace

RunState::RunState(int64_t patience, std::string description, at::Tensor* values, AdamW* adam)
    : patience_(patience), description_(std::move(description)), values_(values), adam_(adam) {}

Result<std::unique_ptr<RunState>> RunState::Open(const TrainOptions& options, FileSystem& files,
                                                 const Log& log, std::string description,
                                                 at::Tensor* values, AdamW* adam) {
  std::unique_ptr<RunState> state(
      new RunState(options.patience, std::move(description), values, adam));
  const std::string path = options.run.empty() ? DefaultRunFolder(options.out) : options.run;
  if (!options.resume) {
    KVLINK_ASSIGN_OR_RETURN(RunFolder folder, RunFolder::Create(files, path, log));
    state->folder_ = std::make_unique<RunFolder>(std::move(folder));
    return state;
  }
  KVLINK_ASSIGN_OR_RETURN(Checkpoint checkpoint, LoadRunCheckpoint(files, path));
  KVLINK_RETURN_IF_ERROR(CheckSameRun(checkpoint.description, state->description_));
  if (static_cast<int64_t>(checkpoint.values.size()) != values->numel()) {
    return DataLoss(path + "/checkpoint: expected " + std::to_string(values->numel()) +
                    " parameters, found " + std::to_string(checkpoint.values.size()));
  }
  KVLINK_ASSIGN_OR_RETURN(RunFolder folder,
                          RunFolder::Resume(files, path, log, checkpoint.counters));
  state->folder_ = std::make_unique<RunFolder>(std::move(folder));
  state->Restore(checkpoint);
  return state;
}

void RunState::Restore(Checkpoint& checkpoint) {
  const at::NoGradGuard no_gradient;
  done_ = checkpoint.counters;
  CopyInto(checkpoint.values, values_);
  CopyInto(checkpoint.first, &adam_->first_moment());
  CopyInto(checkpoint.second, &adam_->second_moment());
  adam_->steps() = done_.adam_steps;
  if (checkpoint.best.empty()) return;
  best_ = at::empty_like(*values_);
  CopyInto(checkpoint.best, &best_);
}

void RunState::NoteValidation(LoggedValidation* validation) {
  validation->best = done_.best_step == 0 || validation->loss < done_.best_loss;
  done_.valid_loss = validation->loss;
  ++done_.validations_ago;
  if (validation->best) {
    done_.best_step = validation->step;
    done_.best_loss = validation->loss;
    done_.validations_ago = 0;
    best_ = values_->clone();
  }
  folder_->Add(*validation);
}

void RunState::SaveCheckpoint() {
  const at::Tensor values = values_->cpu(), first = adam_->first_moment().cpu(),
                   second = adam_->second_moment().cpu(),
                   best = best_.defined() ? best_.cpu() : at::Tensor();
  done_.adam_steps = adam_->steps();
  folder_->Save({done_, description_, Floats(values), Floats(first), Floats(second), Floats(best)});
}

void RunState::TakeBest() {
  if (!best_.defined()) return;
  const at::NoGradGuard no_gradient;
  values_->copy_(best_);
}

TrainSummary RunState::Summary() const {
  TrainSummary summary;
  summary.steps = done_.step;
  summary.examples = done_.examples;
  summary.skipped = done_.skipped;
  summary.best_step = best_.defined() ? done_.best_step : done_.step;
  if (best_.defined()) summary.valid_loss = done_.best_loss;
  summary.stopped_early = OutOfPatience();
  // From the log, so that a run that was resumed has the same mean.
  const int64_t from = done_.step - std::max<int64_t>(1, done_.step / 10);
  int64_t recent = 0;
  for (const LoggedStep& step : folder_->steps()) {
    if (step.step <= from || step.examples == 0) continue;
    summary.loss += step.loss;
    ++recent;
  }
  if (recent > 0) summary.loss /= static_cast<double>(recent);
  return summary;
}

std::string RunState::LastGood() const {
  if (folder_->saved_step() < 0) return "no checkpoint was written yet";
  return "the checkpoint of step " + std::to_string(folder_->saved_step()) + " in " +
         folder_->path() + " is the last good one";
}

}  // namespace kvlink::train

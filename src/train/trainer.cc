#include "train/trainer.h"

#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "train/adamw.h"
#include "train/document_blocks.h"
#include "train/example_order.h"
#include "train/example_prompt.h"
#include "train/frozen_model.h"
#include "train/run_description.h"
#include "train/schedule.h"
#include "train/training_data.h"

namespace kvlink {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// REQUIRES: on the CPU, contiguous, f32; undefined: empty
std::span<const float> Floats(const at::Tensor& t) {
  if (!t.defined()) return {};
  return {t.data_ptr<float>(), static_cast<size_t>(t.numel())};
}

// REQUIRES: as many
void Restore(std::vector<float>& from, at::Tensor* to) {
  to->copy_(torch::from_blob(from.data(), {static_cast<int64_t>(from.size())}, at::kFloat));
}

class Trainer {
 public:
  Trainer(const TrainOptions& options, const TrainProgress& progress, FileSystem& files)
      : options_(options), progress_(progress), files_(files) {}

  Result<TrainSummary> Run() {
    const Clock::time_point start = Clock::now();
    KVLINK_RETURN_IF_ERROR(Open());
    std::vector<PartSize> sizes;
    for (const TrainingPart& part : data_.train) {
      sizes.push_back({static_cast<int64_t>(part.examples.size()), part.weight});
    }
    ExampleOrder order(std::move(sizes), options_.seed);
    const int64_t count = order.epoch_draws();
    const int64_t per_epoch = StepsPerEpoch(count, options_.batch);
    const int64_t steps =
        std::max<int64_t>(1, std::llround(options_.epochs * static_cast<double>(per_epoch)));
    const int64_t warmup = std::llround(options_.warmup * static_cast<double>(steps));
    KVLINK_RETURN_IF_ERROR(OpenRun());
    order.Skip(done_.step / per_epoch * count +
               std::min(count, done_.step % per_epoch * options_.batch));
    if (progress_.start) progress_.start({done_.step, steps, count, run_->path()});
    while (done_.step < steps && !OutOfPatience()) {
      const Clock::time_point step_start = Clock::now();
      const int64_t first = done_.step % per_epoch * options_.batch;
      std::vector<TrainingPrompt> prompts;
      for (int64_t i = first; i < std::min(count, first + options_.batch); ++i) {
        const Draw draw = order.Next();
        const TrainingPart& part = data_.train[draw.part];
        KVLINK_RETURN_IF_ERROR(
            AddPrompt(part.examples[draw.index], part, draw.pass, &done_.skipped, &prompts));
      }
      LoggedStep report{.step = done_.step + 1,
                        .rate = RateAt(done_.step, steps, warmup),
                        .examples = static_cast<int64_t>(prompts.size())};
      if (!prompts.empty()) KVLINK_RETURN_IF_ERROR(Step(prompts, &report));
      report.seconds = SecondsSince(step_start);
      ++done_.step;
      done_.examples += report.examples;
      if (done_.examples == 0 && done_.step >= std::min(per_epoch, steps)) return NothingFits();
      run_->Add(report);
      if (progress_.step) progress_.step(report);
      KVLINK_RETURN_IF_ERROR(AfterStep(steps));
    }
    return Finish(start);
  }

 private:
  bool OutOfPatience() const {
    return options_.patience > 0 && done_.validations_ago >= options_.patience;
  }

  static bool Due(int64_t step, int64_t every) { return every > 0 && step % every == 0; }

  // Validation and checkpoint, where they are due.
  Status AfterStep(int64_t steps) {
    const bool last = done_.step == steps;
    const bool valid =
        !data_.valid.examples.empty() && (last || Due(done_.step, options_.valid_every));
    if (valid) KVLINK_RETURN_IF_ERROR(ValidateNow());
    const bool stop = progress_.stop && progress_.stop();
    if (valid || last || stop || Due(done_.step, options_.checkpoint_every)) SaveCheckpointNow();
    if (valid || last || stop) DrawCurve();
    if (!stop || last) return {};
    return Cancelled("stopped after step " + std::to_string(done_.step) + "; --resume " +
                     run_->path() + " goes on");
  }

  Status ValidateNow() {
    const Clock::time_point start = Clock::now();
    LoggedValidation report{.step = done_.step};
    KVLINK_RETURN_IF_ERROR(Validate(&report));
    report.seconds = SecondsSince(start);
    report.best = done_.best_step == 0 || report.loss < done_.best_loss;
    done_.valid_loss = report.loss;
    ++done_.validations_ago;
    if (report.best) {
      done_.best_step = done_.step;
      done_.best_loss = report.loss;
      done_.validations_ago = 0;
      best_ = parameters_->values().clone();
    }
    run_->Add(report);
    if (progress_.validation) progress_.validation(report);
    if (!report.best) return {};
    // The run's end writes the file again: what fails now may not fail then.
    if (const Status saved = Save(); !saved.ok()) {
      progress_.log(Severity::kWarning, saved.message() + "; the run goes on");
    }
    return {};
  }

  void SaveCheckpointNow() {
    const at::Tensor values = parameters_->values().cpu(), first = adam_->first_moment().cpu(),
                     second = adam_->second_moment().cpu(),
                     best = best_.defined() ? best_.cpu() : at::Tensor();
    done_.adam_steps = adam_->steps();
    run_->Save({done_, description_, Floats(values), Floats(first), Floats(second), Floats(best)});
  }

  void DrawCurve() {
    const size_t slash = options_.out.find_last_of('/');
    run_->Draw(slash == std::string::npos ? options_.out : options_.out.substr(slash + 1));
  }

  // A new run's folder, or the state of the one that is resumed.
  Status OpenRun() {
    const std::string path = options_.run.empty() ? DefaultRunFolder(options_.out) : options_.run;
    description_ = DescribeRun(options_, model_->model().fingerprint(),
                               frozen_dtype_ == at::kBFloat16 ? "bf16" : "f32", data_);
    if (!options_.resume) {
      KVLINK_ASSIGN_OR_RETURN(RunFolder run, RunFolder::Create(files_, path, progress_.log));
      run_ = std::make_unique<RunFolder>(std::move(run));
      return {};
    }
    Checkpoint checkpoint;
    KVLINK_RETURN_IF_ERROR(CheckResumed(path, &checkpoint));
    KVLINK_ASSIGN_OR_RETURN(RunFolder run,
                            RunFolder::Resume(files_, path, progress_.log, checkpoint.counters));
    run_ = std::make_unique<RunFolder>(std::move(run));
    done_ = checkpoint.counters;
    const at::NoGradGuard no_gradient;
    Restore(checkpoint.values, &parameters_->values());
    Restore(checkpoint.first, &adam_->first_moment());
    Restore(checkpoint.second, &adam_->second_moment());
    adam_->steps() = done_.adam_steps;
    if (!checkpoint.best.empty()) {
      best_ = at::empty_like(parameters_->values());
      Restore(checkpoint.best, &best_);
    }
    return {};
  }

  // Reads the checkpoint; nothing in the folder has changed if it is refused.
  Status CheckResumed(const std::string& path, Checkpoint* checkpoint) {
    KVLINK_ASSIGN_OR_RETURN(*checkpoint, LoadRunCheckpoint(files_, path));
    KVLINK_RETURN_IF_ERROR(CheckSameRun(checkpoint->description, description_));
    const auto expected = static_cast<size_t>(parameters_->values().numel());
    if (checkpoint->values.size() == expected) return {};
    return DataLoss(path + "/checkpoint: expected " + std::to_string(expected) +
                    " parameters, found " + std::to_string(checkpoint->values.size()));
  }

  Result<TrainSummary> Finish(Clock::time_point start) {
    TrainSummary summary;
    if (best_.defined()) {
      const at::NoGradGuard no_gradient;
      parameters_->values().copy_(best_);
      summary.valid_loss = done_.best_loss;
    }
    KVLINK_RETURN_IF_ERROR(Save());
    summary.steps = done_.step;
    summary.examples = done_.examples;
    summary.skipped = done_.skipped;
    summary.best_step = best_.defined() ? done_.best_step : done_.step;
    summary.stopped_early = OutOfPatience();
    const int64_t from = done_.step - std::max<int64_t>(1, done_.step / 10);
    int64_t recent = 0;
    for (const LoggedStep& step : run_->steps()) {
      if (step.step <= from || step.examples == 0) continue;
      summary.loss += step.loss;
      ++recent;
    }
    if (recent > 0) summary.loss /= static_cast<double>(recent);
    summary.seconds = SecondsSince(start);
    return summary;
  }

  Status NothingFits() const {
    return InvalidArgument("none of " + std::to_string(done_.skipped) +
                           " examples fits into a prompt of " + std::to_string(max_tokens_) +
                           " tokens: fewer --documents or a larger --max-tokens expected");
  }

  Status Save() {
    return SaveLinks(files_, options_.out, parameters_->ToLinks(*model_), model_->model().config(),
                     "");
  }

  Status Open() {
    KVLINK_RETURN_IF_ERROR(CheckOptions(options_));
    at::set_num_threads(options_.threads);
    KVLINK_ASSIGN_OR_RETURN(data_, ReadTrainingData(files_, options_));
    const size_t slash = options_.out.find_last_of('/');
    if (slash != std::string::npos && slash > 0) {
      KVLINK_RETURN_IF_ERROR(files_.CreateDirectories(options_.out.substr(0, slash)));
    }
    ModelOptions model_options;
    model_options.dtype = options_.dtype;
    model_options.threads = options_.threads;
    KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<Model> model,
                            Model::Load(FileSystem::Posix(), options_.model, model_options));
    frozen_dtype_ = model->matmul_dtype() == DType::kBF16 ? at::kBFloat16 : at::kFloat;
    KVLINK_ASSIGN_OR_RETURN(Parameters parameters, Parameters::Create(*model, options_, at::kCPU));
    parameters_ = std::make_unique<Parameters>(std::move(parameters));
    adam_ = std::make_unique<AdamW>(parameters_->values(),
                                    AdamWOptions{.weight_decay = options_.weight_decay});
    KVLINK_ASSIGN_OR_RETURN(frozen_, FrozenModel::Create(*model, frozen_dtype_, at::kCPU));
    max_tokens_ = options_.max_tokens > 0
                      ? std::min<int64_t>(options_.max_tokens, model->config().context_tokens)
                      : model->config().context_tokens;
    auto links = std::make_unique<Links>();
    links->k = options_.attention == TrainAttention::kFull ? 0 : options_.k;
    links->slots = links->k == 0 ? 1 : options_.slots;
    links->embeddings.resize(static_cast<size_t>(links->k) * links->slots * model->config().width);
    KVLINK_ASSIGN_OR_RETURN(model_, LinkableModel::Create(std::move(model), std::move(links)));
    KVLINK_ASSIGN_OR_RETURN(blocks_, DocumentBlocks::Open(&model_->model(), options_.memory_budget,
                                                          options_.store, options_.store_budget));
    for (const TrainingPart& part : data_.train) {
      KVLINK_RETURN_IF_ERROR(CheckAnswers(*model_, part, max_tokens_));
    }
    return CheckAnswers(*model_, data_.valid, max_tokens_);
  }

  // The prompt of an example; one that does not fit is skipped and counted.
  Status AddPrompt(const Example& example, const TrainingPart& part, int64_t pass, int64_t* skipped,
                   std::vector<TrainingPrompt>* prompts) {
    Result<TrainingPrompt> prompt =
        MakeExamplePrompt(*model_, Arranged(example, part, options_, pass), part.kind,
                          options_.attention == TrainAttention::kFull, max_tokens_);
    if (prompt.code() == StatusCode::kResourceExhausted) {
      if (++*skipped == 1) {
        progress_.log(Severity::kWarning,
                      example.place + ": skipped, as others like it: " + prompt.status().message());
      }
      return {};
    }
    if (!prompt.ok()) return prompt.status();
    prompts->push_back(*std::move(prompt));
    return {};
  }

  // The summed loss of some prompts, with gradients divided by `tokens` if asked for.
  Result<double> Pass(std::span<const TrainingPrompt> prompts, int64_t tokens, bool gradient) {
    PassInput input;
    std::vector<int64_t> targets;
    for (const TrainingPrompt& prompt : prompts) {
      input.prompts.push_back(&prompt);
      KVLINK_ASSIGN_OR_RETURN(auto blocks, blocks_->Fetch(prompt));
      input.blocks.push_back(std::move(blocks));
      targets.insert(targets.end(), prompt.targets.begin(), prompt.targets.end());
    }
    const at::AutoGradMode mode(gradient);
    const at::Tensor logits = frozen_->AnswerLogits(input, *parameters_);
    const at::Tensor loss = at::nll_loss(at::log_softmax(logits, 1),
                                         torch::tensor(targets, at::kLong), {}, at::Reduction::Sum);
    if (gradient) (loss / static_cast<double>(tokens)).backward();
    return loss.item<double>();
  }

  Status Step(const std::vector<TrainingPrompt>& prompts, LoggedStep* report) {
    for (const TrainingPrompt& prompt : prompts) {
      report->tokens += static_cast<int64_t>(prompt.targets.size());
    }
    parameters_->gradients().zero_();
    double total = 0;
    for (size_t i = 0; i < prompts.size(); i += options_.micro_batch) {
      const auto part =
          std::span(prompts).subspan(i, std::min<size_t>(options_.micro_batch, prompts.size() - i));
      KVLINK_ASSIGN_OR_RETURN(const double sum, Pass(part, report->tokens, /*gradient=*/true));
      if (!std::isfinite(sum)) return NotFinite("loss", report->step, part);
      total += sum;
    }
    report->loss = total / static_cast<double>(report->tokens);
    const at::NoGradGuard no_gradient;
    at::Tensor& gradients = parameters_->gradients();
    const double norm = gradients.norm().item<double>();
    if (!std::isfinite(norm)) return NotFinite("gradient", report->step, prompts);
    if (options_.clip > 0 && norm > options_.clip) gradients.mul_(options_.clip / norm);
    const int64_t links = parameters_->link_count(), all = parameters_->values().numel();
    adam_->Step(&parameters_->values(), gradients,
                {{0, links, options_.link_rate * report->rate},
                 {links, all - links, options_.adapter_rate * report->rate}});
    return {};
  }

  // Which of the prompts gave a loss or a gradient that is no finite number, asked one by one.
  Status NotFinite(const std::string& what, int64_t step, std::span<const TrainingPrompt> prompts) {
    std::string where = "the examples of the step together";
    for (size_t i = 0; i < prompts.size(); ++i) {
      parameters_->gradients().zero_();
      KVLINK_ASSIGN_OR_RETURN(const double sum,
                              Pass(prompts.subspan(i, 1), 1, /*gradient=*/what == "gradient"));
      if (std::isfinite(sum) && std::isfinite(parameters_->gradients().norm().item<double>())) {
        continue;
      }
      where = "example \"" + prompts[i].id + "\" (" + prompts[i].place + ")";
      break;
    }
    return InvalidArgument(
        "step " + std::to_string(step) + ": the " + what + " is not a finite number, by " + where +
        (run_->saved_step() < 0 ? "; no checkpoint was written yet"
                                : "; the checkpoint of step " + std::to_string(run_->saved_step()) +
                                      " in " + run_->path() + " is the last good one") +
        "; lower --lr and --link-lr, or look at the example");
  }

  Status Validate(LoggedValidation* report) {
    double total = 0;
    int64_t skipped = 0;
    std::vector<TrainingPrompt> prompts;
    for (const Example& example : data_.valid.examples) {
      KVLINK_RETURN_IF_ERROR(AddPrompt(example, data_.valid, 0, &skipped, &prompts));
    }
    if (prompts.empty()) {
      return InvalidArgument("none of " + std::to_string(skipped) +
                             " validation examples fits into a prompt of " +
                             std::to_string(max_tokens_) + " tokens");
    }
    for (size_t i = 0; i < prompts.size(); i += options_.micro_batch) {
      const auto part = std::span<const TrainingPrompt>(prompts).subspan(
          i, std::min<size_t>(options_.micro_batch, prompts.size() - i));
      KVLINK_ASSIGN_OR_RETURN(const double sum, Pass(part, 1, /*gradient=*/false));
      if (!std::isfinite(sum)) return NotFinite("validation loss", report->step, part);
      total += sum;
      for (const TrainingPrompt& prompt : part) {
        report->tokens += static_cast<int64_t>(prompt.targets.size());
      }
    }
    report->loss = total / static_cast<double>(report->tokens);
    return {};
  }

  const TrainOptions& options_;
  const TrainProgress& progress_;
  FileSystem& files_;
  std::unique_ptr<LinkableModel> model_;
  std::unique_ptr<FrozenModel> frozen_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<AdamW> adam_;
  std::unique_ptr<DocumentBlocks> blocks_;
  TrainingData data_;
  at::ScalarType frozen_dtype_ = at::kFloat;
  int64_t max_tokens_ = 0;
  std::string description_;
  std::unique_ptr<RunFolder> run_;
  CheckpointCounters done_;
  at::Tensor best_;  // values of the best validation; undefined: none yet
};

}  // namespace

Result<TrainSummary> Train(const TrainOptions& options, const TrainProgress& progress,
                           FileSystem& files) {
  try {
    return Trainer(options, progress, files).Run();
  } catch (const std::exception& error) {  // c10::Error: Torch's failures, memory above all
    return Internal(std::string("Torch failed: ") + error.what());
  }
}

}  // namespace kvlink

#include "train/trainer.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "data/arrange.h"
#include "data/readers.h"
#include "train/adamw.h"
#include "train/full_learner.h"
#include "train/link_learner.h"
#include "train/process_group.h"
#include "train/provenance.h"
#include "train/schedule.h"

namespace kvlink {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Trainer {
 public:
  Trainer(const TrainOptions& options, const TrainProgress& progress)
      : options_(options), progress_(progress) {}

  Result<TrainSummary> Run() {
    const Clock::time_point start = Clock::now();
    KVLINK_RETURN_IF_ERROR(Open());
    TrainSummary summary;
    const auto count = static_cast<int64_t>(examples_.size());
    const int64_t per_epoch = StepsPerEpoch(count, options_.batch);
    const int64_t steps =
        std::max<int64_t>(1, std::llround(options_.epochs * static_cast<double>(per_epoch)));
    const int64_t warmup = std::llround(options_.warmup * static_cast<double>(steps));
    double recent = 0;
    int64_t recent_steps = 0;
    for (int64_t step = 0; step < steps; ++step) {
      const Clock::time_point step_start = Clock::now();
      const int64_t epoch = step / per_epoch;
      if (step % per_epoch == 0) order_ = EpochOrder(count, options_.seed, epoch);
      const int64_t first = step % per_epoch * options_.batch;
      std::vector<TrainingPrompt> prompts;
      for (int64_t i = first; i < std::min(count, first + options_.batch); ++i) {
        if (!group_->Takes(i - first)) continue;
        KVLINK_RETURN_IF_ERROR(AddPrompt(examples_[order_[i]], epoch, &prompts));
      }
      StepReport report{.step = step + 1, .steps = steps, .rate = RateAt(step, steps, warmup)};
      int64_t taken = static_cast<int64_t>(prompts.size());
      KVLINK_RETURN_IF_ERROR(Step(prompts, &taken, &report));
      report.seconds = SecondsSince(step_start);
      summary.examples += taken;
      if (step >= steps - std::max<int64_t>(1, steps / 10)) {
        recent += report.loss;
        ++recent_steps;
      }
      if (progress_.step && group_->is_first()) progress_.step(report);
      const bool last = step + 1 == steps;
      if (!valid_.empty() &&
          (last || (options_.valid_every > 0 && (step + 1) % options_.valid_every == 0))) {
        KVLINK_ASSIGN_OR_RETURN(summary.valid_loss, Validate());
        progress_.log(Severity::kInfo, "step " + std::to_string(step + 1) + ": validation loss " +
                                           std::to_string(summary.valid_loss));
        summary.steps = step + 1;
        summary.loss = report.loss;
        summary.seconds = SecondsSince(start);
        if (!last) KVLINK_RETURN_IF_ERROR(Save(summary));
      }
    }
    summary.steps = steps;
    summary.skipped = skipped_;
    summary.loss = recent / static_cast<double>(recent_steps);
    summary.seconds = SecondsSince(start);
    KVLINK_RETURN_IF_ERROR(Save(summary));
    return summary;
  }

 private:
  Status Save(const TrainSummary& summary) {
    if (!group_->is_first()) return {};
    const RunOutcome outcome = {.steps = summary.steps,
                                .examples = summary.examples,
                                .skipped = skipped_,
                                .loss = summary.loss,
                                .valid_loss = summary.valid_loss,
                                .seconds = summary.seconds};
    const bool f32 = model_->model().matmul_dtype() == DType::kF32;
    return learner_->Save(FileSystem::Posix(),
                          ProvenanceJson(options_, f32 ? "f32" : "bf16", data_, outcome));
  }

  Status Open() {
    KVLINK_ASSIGN_OR_RETURN(group_, ProcessGroup::Join(options_));
    at::set_num_threads(options_.threads);
    ModelOptions model_options;
    model_options.dtype = options_.dtype;
    model_options.threads = options_.threads;
    KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<Model> model,
                            Model::Load(FileSystem::Posix(), options_.model, model_options));
    max_tokens_ = options_.max_tokens > 0
                      ? std::min<int64_t>(options_.max_tokens, model->config().context_tokens)
                      : model->config().context_tokens;
    auto links = std::make_unique<Links>();
    links->k = options_.attention == TrainAttention::kFull ? 0 : options_.k;
    links->slots = links->k == 0 ? 1 : options_.slots;
    links->embeddings.resize(static_cast<size_t>(links->k) * links->slots * model->config().width);
    KVLINK_ASSIGN_OR_RETURN(model_, LinkableModel::Create(std::move(model), std::move(links)));
    if (options_.mode == TrainMode::kFull) {
      KVLINK_ASSIGN_OR_RETURN(learner_, FullLearner::Create(model_.get(), options_));
    } else {
      KVLINK_ASSIGN_OR_RETURN(learner_, LinkLearner::Create(model_.get(), options_));
    }
    adam_ = std::make_unique<AdamW>(learner_->values(),
                                    AdamWOptions{.weight_decay = options_.weight_decay});
    KVLINK_RETURN_IF_ERROR(Read(options_.train, options_.limit, false, &examples_));
    return Read(options_.valid, options_.valid_limit, true, &valid_);
  }

  Status Read(const std::vector<std::string>& paths, int64_t limit, bool validation,
              std::vector<Example>* out) {
    for (const std::string& path : paths) {
      ReadExamplesOptions read;
      read.limit = limit;
      KVLINK_ASSIGN_OR_RETURN(std::vector<Example> examples,
                              ReadExamples(FileSystem::Posix(), path, read));
      KVLINK_ASSIGN_OR_RETURN(const auto mapped, FileSystem::Posix().Map(path));
      data_.push_back({.path = path,
                       .hash = Sha256().Update(mapped->bytes()).Finish(),
                       .examples = static_cast<int64_t>(examples.size()),
                       .validation = validation});
      for (Example& example : examples) out->push_back(std::move(example));
    }
    return {};
  }

  Status AddPrompt(Example example, int64_t epoch, std::vector<TrainingPrompt>* prompts) {
    if (options_.documents > 0) KeepDocuments(&example, options_.documents);
    if (options_.shuffle_documents) {
      ShuffleDocuments(&example, options_.seed + static_cast<uint64_t>(epoch));
    }
    Result<TrainingPrompt> prompt = MakeTrainingPrompt(
        *model_, example, options_.attention == TrainAttention::kFull, max_tokens_);
    if (prompt.code() == StatusCode::kResourceExhausted) {
      if (skipped_++ == 0) {
        progress_.log(Severity::kWarning, "skipped: " + prompt.status().message());
      }
      return {};
    }
    if (!prompt.ok()) return prompt.status();
    if (options_.distill > 0) {
      KVLINK_RETURN_IF_ERROR(AddTeacher(*model_, example, max_tokens_, &*prompt));
    }
    prompts->push_back(*std::move(prompt));
    return {};
  }

  // Sums over all processes.
  void SumAll(std::initializer_list<double*> numbers) {
    std::vector<double> mine;
    for (const double* number : numbers) mine.push_back(*number);
    at::Tensor all = torch::tensor(mine, at::kDouble);
    group_->Sum(&all);
    const double* sum = all.data_ptr<double>();
    for (double* number : numbers) *number = *sum++;
  }

  // `taken`: how many examples, this process's before and all processes' after.
  Status Step(const std::vector<TrainingPrompt>& prompts, int64_t* taken, StepReport* report) {
    double tokens = 0, examples = static_cast<double>(*taken);
    for (const TrainingPrompt& prompt : prompts) {
      tokens += static_cast<double>(prompt.targets.size());
    }
    at::Tensor& gradients = learner_->gradients();
    gradients.zero_();
    double total = 0;
    for (size_t i = 0; i < prompts.size(); i += options_.micro_batch) {
      const size_t n = std::min<size_t>(options_.micro_batch, prompts.size() - i);
      KVLINK_ASSIGN_OR_RETURN(const double sum,
                              learner_->Pass(std::span(prompts).subspan(i, n), /*gradient=*/true));
      total += sum;
    }
    SumAll({&total, &tokens, &examples});
    *taken = static_cast<int64_t>(examples);
    if (*taken == 0) return {};  // none fitted, in any process
    report->tokens = static_cast<int64_t>(tokens);
    report->loss = total / tokens;
    const at::NoGradGuard no_gradient;
    group_->Sum(&gradients);
    gradients.div_(tokens);
    if (options_.clip > 0) {
      const double norm = gradients.norm().item<double>();
      if (norm > options_.clip) gradients.mul_(options_.clip / norm);
    }
    const int64_t links = learner_->link_count(), all = learner_->values().numel();
    adam_->Step(&learner_->values(), gradients,
                {{0, links, options_.link_rate * report->rate},
                 {links, all - links, options_.adapter_rate * report->rate}});
    return {};
  }

  Result<double> Validate() {
    double total = 0;
    double tokens = 0;
    std::vector<TrainingPrompt> prompts;
    for (size_t i = 0; i < valid_.size(); ++i) {
      if (!group_->Takes(static_cast<int64_t>(i))) continue;
      KVLINK_RETURN_IF_ERROR(AddPrompt(valid_[i], 0, &prompts));
    }
    for (size_t i = 0; i < prompts.size(); i += options_.micro_batch) {
      const auto part = std::span<const TrainingPrompt>(prompts).subspan(
          i, std::min<size_t>(options_.micro_batch, prompts.size() - i));
      KVLINK_ASSIGN_OR_RETURN(const double sum, learner_->Pass(part, /*gradient=*/false));
      total += sum;
      for (const TrainingPrompt& prompt : part) {
        tokens += static_cast<double>(prompt.targets.size());
      }
    }
    SumAll({&total, &tokens});
    return tokens == 0 ? 0 : total / tokens;
  }

  const TrainOptions& options_;
  const TrainProgress& progress_;
  std::unique_ptr<LinkableModel> model_;
  std::unique_ptr<ProcessGroup> group_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<AdamW> adam_;
  std::vector<Example> examples_, valid_;
  std::vector<DataProvenance> data_;
  std::vector<int64_t> order_;
  int64_t max_tokens_ = 0;
  int64_t skipped_ = 0;
};

}  // namespace

Result<TrainSummary> Train(const TrainOptions& options, const TrainProgress& progress) {
  try {
    return Trainer(options, progress).Run();
  } catch (const std::exception& error) {  // c10::Error: Torch's failures, memory above all
    return Internal(std::string("Torch failed: ") + error.what());
  }
}

}  // namespace kvlink

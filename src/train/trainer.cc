#include "train/trainer.h"

#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "data/arrange.h"
#include "data/readers.h"
#include "train/adamw.h"
#include "train/document_blocks.h"
#include "train/frozen_model.h"
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
        KVLINK_RETURN_IF_ERROR(AddPrompt(examples_[order_[i]], epoch, &prompts));
      }
      StepReport report{.step = step + 1, .steps = steps, .rate = RateAt(step, steps, warmup)};
      if (!prompts.empty()) {
        KVLINK_RETURN_IF_ERROR(Step(prompts, &report));
      }
      report.seconds = SecondsSince(step_start);
      summary.examples += static_cast<int64_t>(prompts.size());
      if (step >= steps - std::max<int64_t>(1, steps / 10)) {
        recent += report.loss;
        ++recent_steps;
      }
      if (progress_.step) progress_.step(report);
      const bool last = step + 1 == steps;
      if (!valid_.empty() &&
          (last || (options_.valid_every > 0 && (step + 1) % options_.valid_every == 0))) {
        KVLINK_ASSIGN_OR_RETURN(summary.valid_loss, Validate());
        progress_.log(Severity::kInfo, "step " + std::to_string(step + 1) + ": validation loss " +
                                           std::to_string(summary.valid_loss));
        KVLINK_RETURN_IF_ERROR(Save());
      }
    }
    summary.steps = steps;
    summary.skipped = skipped_;
    summary.loss = recent / static_cast<double>(recent_steps);
    KVLINK_RETURN_IF_ERROR(Save());
    summary.seconds = SecondsSince(start);
    return summary;
  }

 private:
  Status Save() {
    return SaveLinks(FileSystem::Posix(), options_.out, parameters_->ToLinks(*model_),
                     model_->model().config(), "");
  }

  Status Open() {
    at::set_num_threads(options_.threads);
    ModelOptions model_options;
    model_options.dtype = options_.dtype;
    model_options.threads = options_.threads;
    KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<Model> model,
                            Model::Load(FileSystem::Posix(), options_.model, model_options));
    const at::ScalarType dtype = model->matmul_dtype() == DType::kBF16 ? at::kBFloat16 : at::kFloat;
    KVLINK_ASSIGN_OR_RETURN(Parameters parameters, Parameters::Create(*model, options_, at::kCPU));
    parameters_ = std::make_unique<Parameters>(std::move(parameters));
    adam_ = std::make_unique<AdamW>(parameters_->values(),
                                    AdamWOptions{.weight_decay = options_.weight_decay});
    KVLINK_ASSIGN_OR_RETURN(frozen_, FrozenModel::Create(*model, dtype, at::kCPU));
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
    KVLINK_RETURN_IF_ERROR(Read(options_.train, options_.limit, &examples_));
    return Read(options_.valid, options_.valid_limit, &valid_);
  }

  Status Read(const std::vector<std::string>& paths, int64_t limit, std::vector<Example>* out) {
    for (const std::string& path : paths) {
      ReadExamplesOptions read;
      read.limit = limit;
      KVLINK_ASSIGN_OR_RETURN(std::vector<Example> examples,
                              ReadExamples(FileSystem::Posix(), path, read));
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

  Status Step(const std::vector<TrainingPrompt>& prompts, StepReport* report) {
    for (const TrainingPrompt& prompt : prompts) {
      report->tokens += static_cast<int64_t>(prompt.targets.size());
    }
    parameters_->gradients().zero_();
    double total = 0;
    for (size_t i = 0; i < prompts.size(); i += options_.micro_batch) {
      const size_t n = std::min<size_t>(options_.micro_batch, prompts.size() - i);
      KVLINK_ASSIGN_OR_RETURN(const double sum, Pass(std::span(prompts).subspan(i, n),
                                                     report->tokens, /*gradient=*/true));
      total += sum;
    }
    report->loss = total / static_cast<double>(report->tokens);
    const at::NoGradGuard no_gradient;
    at::Tensor& gradients = parameters_->gradients();
    if (options_.clip > 0) {
      const double norm = gradients.norm().item<double>();
      if (norm > options_.clip) gradients.mul_(options_.clip / norm);
    }
    const int64_t links = parameters_->link_count(), all = parameters_->values().numel();
    adam_->Step(&parameters_->values(), gradients,
                {{0, links, options_.link_rate * report->rate},
                 {links, all - links, options_.adapter_rate * report->rate}});
    return {};
  }

  Result<double> Validate() {
    double total = 0;
    int64_t tokens = 0;
    std::vector<TrainingPrompt> prompts;
    for (const Example& example : valid_) {
      KVLINK_RETURN_IF_ERROR(AddPrompt(example, 0, &prompts));
    }
    for (size_t i = 0; i < prompts.size(); i += options_.micro_batch) {
      const auto part = std::span<const TrainingPrompt>(prompts).subspan(
          i, std::min<size_t>(options_.micro_batch, prompts.size() - i));
      KVLINK_ASSIGN_OR_RETURN(const double sum, Pass(part, 1, /*gradient=*/false));
      total += sum;
      for (const TrainingPrompt& prompt : part) {
        tokens += static_cast<int64_t>(prompt.targets.size());
      }
    }
    return tokens == 0 ? 0 : total / static_cast<double>(tokens);
  }

  const TrainOptions& options_;
  const TrainProgress& progress_;
  std::unique_ptr<LinkableModel> model_;
  std::unique_ptr<FrozenModel> frozen_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<AdamW> adam_;
  std::unique_ptr<DocumentBlocks> blocks_;
  std::vector<Example> examples_, valid_;
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

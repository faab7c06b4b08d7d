#include "train/trainer.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "base/cpu_count.h"
#include "train/adamw.h"
#include "train/device.h"
#include "train/example_order.h"
#include "train/example_prompt.h"
#include "train/full_learner.h"
#include "train/link_learner.h"
#include "train/output_files.h"
#include "train/process_group.h"
#include "train/provenance.h"
#include "train/run_description.h"
#include "train/run_state.h"
#include "train/same_run.h"
#include "train/schedule.h"
#include "train/torch_failure.h"
#include "train/training_data.h"

namespace kvlink::train {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The template that examples are rendered by, and that the link file will carry.
Result<text::PromptTemplate> TemplateFor(FileSystem& files, const TrainOptions& options,
                                         const links::Links* start, const model::Model& model) {
  // They are computed with gradient then, in one pass with all else.
  const bool trains_documents =
      options.mode == TrainMode::kFull || options.scope == model::AdapterScope::kEverywhere;
  text::PromptTemplate t;
  if (!options.prompt_template.empty()) {
    KVLINK_ASSIGN_OR_RETURN(t, link::NamedTemplate(files, options.prompt_template));
  } else if (start != nullptr && start->prompt_template) {
    t = *start->prompt_template;
  } else {
    KVLINK_ASSIGN_OR_RETURN(const text::ChosenTemplate chosen,
                            text::ChooseTemplate(model.tokenizer(), model.file_prompt()));
    t = chosen.prompt_template;
    // Behind one token a document's first token is no attention sink (docs/quality.md).
    if (!trains_documents) t.document_prefix = "first";
  }
  if (options.document_prefix == "none") {
    t.document_prefix.clear();
  } else if (!options.document_prefix.empty()) {
    t.document_prefix = options.document_prefix;
  }
  if (trains_documents && !t.document_prefix.empty()) {
    return Unsupported(
        std::string(options.mode == TrainMode::kFull ? "--mode full" : "--scope everywhere") +
        " sees no prefix before a document: expected --document-prefix none");
  }
  return t;
}

class Trainer {
 public:
  Trainer(const TrainOptions& options, const TrainProgress& progress, FileSystem& files)
      : options_(options), progress_(progress), files_(files) {}

  Result<TrainSummary> Run() {
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
    CheckpointCounters& done = run_->done();
    if (done.step < 0 || done.step > steps) {
      return DataLoss(run_->folder().path() + ": the checkpoint is at step " +
                      std::to_string(done.step) + " of a run of " + std::to_string(steps) +
                      " steps; start the run again");
    }
    order.Skip(done.step / per_epoch * count +
               std::min(count, done.step % per_epoch * options_.batch));
    if (progress_.start && group_->is_first())
      progress_.start({done.step, steps, count, run_->folder().path()});
    while (done.step < steps && !run_->OutOfPatience()) {
      const Clock::time_point step_start = Clock::now();
      const int64_t first = done.step % per_epoch * options_.batch;
      std::vector<TrainingPrompt> prompts;
      int64_t skipped = 0;
      for (int64_t i = first; i < std::min(count, first + options_.batch); ++i) {
        const Draw draw = order.Next();
        if (!group_->Takes(i - first)) continue;
        const TrainingPart& part = data_.train[draw.part];
        KVLINK_RETURN_IF_ERROR(AddPrompt(part.examples[draw.index], part, draw.pass,
                                         options_.distill > 0, &skipped, &prompts));
      }
      LoggedStep report{.step = done.step + 1,
                        .rate = RateAt(done.step, steps, warmup),
                        .examples = static_cast<int64_t>(prompts.size())};
      KVLINK_RETURN_IF_ERROR(Step(prompts, &report, &skipped));
      done.skipped += skipped;
      report.seconds = SecondsSince(step_start);
      ++done.step;
      done.examples += report.examples;
      if (done.examples == 0 && done.step >= std::min(per_epoch, steps))
        return NothingFits(done.skipped);
      run_->folder().Add(report);
      if (progress_.step && group_->is_first()) progress_.step(report);
      KVLINK_RETURN_IF_ERROR(AfterStep(steps));
    }
    run_->TakeBest();
    KVLINK_RETURN_IF_ERROR(Save());
    TrainSummary summary = run_->Summary();
    summary.seconds = SecondsSince(start_);
    return summary;
  }

 private:
  static bool Due(int64_t step, int64_t every) { return every > 0 && step % every == 0; }

  // Validation and checkpoint, where they are due.
  Status AfterStep(int64_t steps) {
    const int64_t step = run_->done().step;
    const bool last = step == steps;
    const bool valid = !data_.valid.examples.empty() && (last || Due(step, options_.valid_every));
    if (valid) KVLINK_RETURN_IF_ERROR(ValidateNow());
    double stops = progress_.stop && progress_.stop() ? 1 : 0;
    SumAll({&stops});  // all stop at the same step
    const bool stop = stops > 0;
    if (valid || last || stop || Due(step, options_.checkpoint_every)) run_->SaveCheckpoint();
    if (valid || last || stop) {
      run_->folder().Draw(std::string(FileNameOf(options_.out)));
    }
    if (!stop || last) return {};
    return Cancelled("stopped after step " + std::to_string(step) + "; --resume " +
                     run_->folder().path() + " goes on");
  }

  Status ValidateNow() {
    const Clock::time_point start = Clock::now();
    LoggedValidation report{.step = run_->done().step};
    KVLINK_RETURN_IF_ERROR(Validate(&report));
    report.seconds = SecondsSince(start);
    run_->NoteValidation(&report);
    if (progress_.validation && group_->is_first()) progress_.validation(report);
    if (!report.best) return {};
    // The run's end writes the file again: what fails now may not fail then.
    if (const Status saved = Save(); !saved.ok()) {
      progress_.log(Severity::kWarning, saved.message() + "; the run goes on");
    }
    return {};
  }

  Status OpenRun() {
    const std::string description = DescribeRun(options_, model_->model().fingerprint(),
                                                ComputeName(), model_->prompt_template(), data_);
    Result<std::unique_ptr<RunState>> opened = RunState::Open(
        options_, files_, progress_.log, description, &learner_->values(), adam_.get());
    RunPlace place;
    if (opened.ok()) {
      run_ = *std::move(opened);
      place = PlaceOf(description, run_->done().step, adam_->steps(), learner_->values());
    }
    return CheckAllAgree(group_.get(), opened.status(), place);
  }

  std::string_view ComputeName() const { return Name(ComputeType(model_->model(), device_)); }

  Status NothingFits(int64_t skipped) const {
    return InvalidArgument("none of " + std::to_string(skipped) +
                           " examples fits into a prompt of " + std::to_string(max_tokens_) +
                           " tokens: fewer --documents or a larger --max-tokens expected");
  }

  Status Save() {
    if (!group_->is_first()) return {};
    return learner_->Save(files_,
                          ProvenanceJson(options_, ComputeName(), data_.files, run_->Summary()));
  }

  Status Open() {
    KVLINK_RETURN_IF_ERROR(CheckOptions(options_));
    KVLINK_RETURN_IF_ERROR(CheckOutputs(options_));
    const ThreadChoice chosen = ChooseThreads(options_.threads);
    if (!chosen.warning.empty()) progress_.log(Severity::kWarning, chosen.warning);
    options_.threads = chosen.threads;
    at::set_num_threads(options_.threads);
    KVLINK_ASSIGN_OR_RETURN(device_, FindDevice(options_.device));
    if (options_.world > 1 && options_.rank_of == 0 && options_.rendezvous.starts_with("tcp://")) {
      // Torch's TCPStore binds every address, whatever HOST says, and asks for no password.
      progress_.log(Severity::kWarning,
                    "--rendezvous " + options_.rendezvous +
                        ": whoever reaches this port on any of the machine's addresses can join "
                        "the run; on one machine, meet at a file instead");
    }
    KVLINK_ASSIGN_OR_RETURN(group_, ProcessGroup::Join(options_, device_));
    if (!group_->is_first()) {  // each has its own state to resume from
      if (options_.run.empty()) options_.run = DefaultRunFolder(options_.out);
      while (options_.run.size() > 1 && options_.run.ends_with('/')) options_.run.pop_back();
      options_.run += ".rank" + std::to_string(group_->rank());
    }
    KVLINK_ASSIGN_OR_RETURN(data_, ReadTrainingData(files_, options_));
    for (const DataFile& file : data_.files) {  // a mixture's too
      KVLINK_RETURN_IF_ERROR(CheckNotOutput(options_, "the data", file.path));
    }
    KVLINK_RETURN_IF_ERROR(files_.CreateDirectories(FolderOf(options_.out), FileAccess::kByUmask));
    model::ModelOptions model_options;
    model_options.dtype = options_.dtype;
    model_options.threads = options_.threads;
    KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<model::Model> model,
                            model::Model::Load(FileSystem::Posix(), options_.model, model_options));
    max_tokens_ = options_.max_tokens > 0
                      ? std::min<int64_t>(options_.max_tokens, model->config().context_tokens)
                      : model->config().context_tokens;
    std::unique_ptr<const links::Links> start;
    if (!options_.start.empty()) {
      KVLINK_ASSIGN_OR_RETURN(
          start, links::LoadLinks(files_, options_.start, model->config(), model->fingerprint()));
    }
    auto links = std::make_unique<links::Links>();
    KVLINK_ASSIGN_OR_RETURN(links->prompt_template,
                            TemplateFor(files_, options_, start.get(), *model));
    links->k = options_.attention == TrainAttention::kFull ? 0 : options_.k;
    links->slots = links->k == 0 ? 1 : options_.slots;
    links->embeddings.resize(static_cast<size_t>(links->k) * links->slots * model->config().width);
    KVLINK_ASSIGN_OR_RETURN(model_,
                            link::LinkableModel::Create(std::move(model), std::move(links)));
    if (options_.mode == TrainMode::kFull) {
      KVLINK_ASSIGN_OR_RETURN(learner_, FullLearner::Create(model_.get(), options_, device_));
    } else {
      KVLINK_ASSIGN_OR_RETURN(learner_,
                              LinkLearner::Create(model_.get(), options_, start.get(), device_));
    }
    adam_ = std::make_unique<AdamW>(learner_->values(),
                                    AdamWOptions{.weight_decay = options_.weight_decay});
    for (const TrainingPart& part : data_.train) {
      KVLINK_RETURN_IF_ERROR(CheckAnswers(*model_, part, max_tokens_));
    }
    return CheckAnswers(*model_, data_.valid, max_tokens_);
  }

  // The prompt of an example, with its teacher's if `distill`; one that does not fit is skipped and
  // counted.
  Status AddPrompt(const data::Example& example, const TrainingPart& part, int64_t pass,
                   bool distill, int64_t* skipped, std::vector<TrainingPrompt>* prompts) {
    const data::Example arranged = Arranged(example, part, options_, pass);
    Result<TrainingPrompt> prompt =
        MakeExamplePrompt(*model_, arranged, part.kind, options_.attention == TrainAttention::kFull,
                          options_.scope, DrawnMethod(options_, example, pass), max_tokens_);
    if (prompt.code() == StatusCode::kResourceExhausted) {
      ++*skipped;
      if (!std::exchange(named_skipped_, true)) {
        progress_.log(Severity::kWarning,
                      example.place + ": skipped, as others like it: " + prompt.status().message());
      }
      return {};
    }
    if (!prompt.ok()) return prompt.status();
    if (distill) {
      KVLINK_ASSIGN_OR_RETURN(TrainingPrompt teacher,
                              MakeExamplePrompt(*model_, arranged, part.kind, /*full=*/true,
                                                options_.scope, Method(), max_tokens_));
      prompt->teacher.push_back(std::move(teacher));
    }
    prompts->push_back(*std::move(prompt));
    return {};
  }

  // Sums over all processes.
  void SumAll(std::initializer_list<double*> numbers) {
    std::vector<double> mine;
    for (const double* number : numbers) mine.push_back(*number);
    const std::vector<double> sums = group_->Sums(mine);
    auto sum = sums.begin();
    for (double* number : numbers) *number = *sum++;
  }

  // The loss of this process's prompts, nats, summed, and how many tokens that is.
  Status Pass(std::span<const TrainingPrompt> prompts, bool gradient, double* total,
              double* tokens) {
    for (size_t i = 0; i < prompts.size(); i += options_.micro_batch) {
      const auto part =
          prompts.subspan(i, std::min<size_t>(options_.micro_batch, prompts.size() - i));
      KVLINK_ASSIGN_OR_RETURN(const double sum, learner_->Pass(part, gradient));
      *total += sum;
      for (const TrainingPrompt& prompt : part) {
        *tokens += static_cast<double>(prompt.targets.size());
      }
    }
    return {};
  }

  // report->examples, *skipped: this process's before and all processes' after.
  Status Step(const std::vector<TrainingPrompt>& prompts, LoggedStep* report, int64_t* skipped) {
    at::Tensor& gradients = learner_->gradients();
    gradients.zero_();
    double total = 0, tokens = 0, examples = static_cast<double>(report->examples),
           left_out = static_cast<double>(*skipped);
    KVLINK_RETURN_IF_ERROR(Pass(prompts, /*gradient=*/true, &total, &tokens));
    SumAll({&total, &tokens, &examples, &left_out});
    report->examples = static_cast<int64_t>(examples);
    *skipped = static_cast<int64_t>(left_out);
    if (report->examples == 0) return {};  // none fitted, in any process
    if (!std::isfinite(total)) return NotFinite("loss", report->step, prompts);
    report->tokens = static_cast<int64_t>(tokens);
    report->loss = total / tokens;
    const at::NoGradGuard no_gradient;
    group_->Sum(&gradients);
    gradients.div_(tokens);
    const double norm = gradients.norm().item<double>();
    if (!std::isfinite(norm)) return NotFinite("gradient", report->step, prompts);
    if (options_.clip > 0 && norm > options_.clip) gradients.mul_(options_.clip / norm);
    const int64_t links = learner_->link_count(), all = learner_->values().numel();
    adam_->Step(&learner_->values(), gradients,
                {{0, links, options_.link_rate * report->rate},
                 {links, all - links, options_.adapter_rate * report->rate}});
    return {};
  }

  // Which of the prompts gave a loss or a gradient that is no finite number, asked one by one.
  Status NotFinite(const std::string& what, int64_t step, std::span<const TrainingPrompt> prompts) {
    std::string where = "the examples of the step together";
    for (size_t i = 0; i < prompts.size(); ++i) {
      learner_->gradients().zero_();
      KVLINK_ASSIGN_OR_RETURN(
          const double sum, learner_->Pass(prompts.subspan(i, 1), /*gradient=*/what == "gradient"));
      if (std::isfinite(sum) && std::isfinite(learner_->gradients().norm().item<double>())) {
        continue;
      }
      where = "example \"" + prompts[i].id + "\" (" + prompts[i].place + ")";
      break;
    }
    return InvalidArgument("step " + std::to_string(step) + ": the " + what +
                           " is not a finite number, by " + where + "; " + run_->LastGood() +
                           "; lower --lr and --link-lr, or look at the example");
  }

  Status Validate(LoggedValidation* report) {
    int64_t skipped = 0;
    std::vector<TrainingPrompt> prompts;
    for (size_t i = 0; i < data_.valid.examples.size(); ++i) {
      if (!group_->Takes(static_cast<int64_t>(i))) continue;
      KVLINK_RETURN_IF_ERROR(AddPrompt(data_.valid.examples[i], data_.valid, 0, /*distill=*/false,
                                       &skipped, &prompts));
    }
    double total = 0, tokens = 0, all_skipped = static_cast<double>(skipped);
    KVLINK_RETURN_IF_ERROR(Pass(prompts, /*gradient=*/false, &total, &tokens));
    SumAll({&total, &tokens, &all_skipped});
    if (tokens == 0) {
      return InvalidArgument("none of " + std::to_string(static_cast<int64_t>(all_skipped)) +
                             " validation examples fits into a prompt of " +
                             std::to_string(max_tokens_) + " tokens");
    }
    if (!std::isfinite(total)) return NotFinite("validation loss", report->step, prompts);
    report->tokens = static_cast<int64_t>(tokens);
    report->loss = total / tokens;
    return {};
  }

  const Clock::time_point start_ = Clock::now();
  TrainOptions options_;  // with this process's own folder
  const TrainProgress& progress_;
  FileSystem& files_;
  at::Device device_ = at::kCPU;
  std::unique_ptr<link::LinkableModel> model_;
  std::unique_ptr<ProcessGroup> group_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<AdamW> adam_;
  TrainingData data_;
  int64_t max_tokens_ = 0;
  bool named_skipped_ = false;
  std::unique_ptr<RunState> run_;
};

}  // namespace

Result<TrainSummary> Train(const TrainOptions& options, const TrainProgress& progress,
                           FileSystem& files) {
  return GuardedTorch("there is not enough memory to train: lower --micro-batch or --max-tokens",
                      [&] { return Trainer(options, progress, files).Run(); });
}

}  // namespace kvlink::train

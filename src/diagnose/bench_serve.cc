#include "diagnose/bench_serve.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/guarded.h"
#include "diagnose/bench_stage.h"

namespace kvlink::diagnose {
namespace {

constexpr int kDocuments = 10, kDocumentsEach = 5, kTokensEach = 64;
constexpr int kFewestAnswers = 8, kMostAtOnce = 256;
constexpr int kQuestions = 64;          // different ones; then they come again
constexpr int kTellingAnswers = 200;    // from so many on memory's growth means something
constexpr int64_t kLongPrompt = 5'000;  // tokens, if the context has room for them

using Ids = std::vector<int32_t>;

Ids IdsOf(const Answer& answer) {
  Ids ids;
  for (const GeneratedToken& token : answer.generated) ids.push_back(token.id);
  return ids;
}

// Of this process; 0: not known.
int64_t ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  in >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// REQUIRES: sorted, not empty.
double Quantile(const std::vector<double>& values, double q) {
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

class ServeBench {
 public:
  explicit ServeBench(engine::EngineImpl* engine) : engine_(*engine) {
    for (int i = 0; i < kDocuments; ++i) {
      documents_.push_back(MadeUpDocument(engine_.linkable(), i));
    }
  }

  Status Encode() {
    for (const Document& document : documents_) {
      KVLINK_RETURN_IF_ERROR(engine_.Encode(document).status());
    }
    return {};
  }

  // Keeps `at_once` in flight until all were answered.
  Result<ServeRow> Run(int at_once, int total) {
    if (total == 0) total = std::max(2 * at_once, kFewestAnswers);
    for (int i = 0; i < std::min(total, kQuestions); ++i) KVLINK_RETURN_IF_ERROR(AskAlone(i));
    ServeRow row;
    row.requests = at_once;
    row.answers = total;
    int64_t bytes_before = 0;
    std::vector<double> ttft;
    int64_t tokens = 0;
    int submitted = 0, done = 0;
    Status failed;
    const double before = Clock::System().MonotonicMs();
    std::mutex mutex;
    std::condition_variable ended;
    std::map<int, Result<Answer>> answers;
    while (done < total && failed.ok()) {
      while (submitted < total && submitted - done < at_once) {
        const int number = submitted++;
        const auto id = engine_.Submit(RequestOf(number), [&, number](const Event& event) {
          if (event.kind != Event::Kind::kDone) return;
          const std::lock_guard lock(mutex);
          answers.emplace(number, *event.answer);
          ended.notify_all();
        });
        KVLINK_RETURN_IF_ERROR(id.status());
      }
      std::unique_lock lock(mutex);
      ended.wait(lock, [&] { return !answers.empty(); });
      for (auto& [number, answer] : std::exchange(answers, {})) {
        ++done;
        if (!answer.ok()) {
          failed = answer.status();
          continue;
        }
        ttft.push_back(answer->timings.ttft_ms);
        tokens += answer->usage.completion_tokens;
        row.differ += IdsOf(*answer) != alone_.at(number % kQuestions);
        if (done == total / 4) bytes_before = ResidentBytes();
      }
    }
    const double ms = Clock::System().MonotonicMs() - before;
    // Handlers of what is still in flight look at this frame.
    while (done < submitted) {
      std::unique_lock lock(mutex);
      ended.wait(lock, [&] { return !answers.empty(); });
      done += static_cast<int>(std::exchange(answers, {}).size());
    }
    KVLINK_RETURN_IF_ERROR(failed);
    std::sort(ttft.begin(), ttft.end());
    row.tokens_per_s = static_cast<double>(tokens) / ms * 1e3;
    row.ttft_p50_ms = Quantile(ttft, 0.5);
    row.ttft_p95_ms = Quantile(ttft, 0.95);
    if (total >= kTellingAnswers && bytes_before > 0) {
      row.memory_growth_percent =
          (static_cast<double>(ResidentBytes()) / static_cast<double>(bytes_before) - 1) * 100;
    }
    return row;
  }

  // Alone and behind a long prompt in turn; medians.
  Result<BehindPrefill> MeasureBehindPrefill() {
    Request brief = RequestOf(0), extended = LongRequest();
    brief.max_tokens = 1;
    BehindPrefill result;
    std::vector<double> alone, behind;
    for (int round = 0; round < 5; ++round) {
      KVLINK_ASSIGN_OR_RETURN(const Answer answer, engine_.Ask(brief));
      alone.push_back(answer.timings.ttft_ms);
      std::promise<Answer> ended;
      KVLINK_ASSIGN_OR_RETURN(const RequestId id, engine_.Submit(extended, [&](const Event& event) {
        if (event.kind != Event::Kind::kDone) return;
        ended.set_value(event.answer->ok() ? **event.answer : Answer());
      }));
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it is being computed
      const Result<Answer> second = engine_.Ask(brief);
      engine_.Cancel(id);
      result.prefill_tokens = ended.get_future().get().usage.prompt_tokens;
      KVLINK_RETURN_IF_ERROR(second.status());
      behind.push_back(second->timings.ttft_ms);
    }
    std::sort(alone.begin(), alone.end());
    std::sort(behind.begin(), behind.end());
    result.ttft_alone_ms = Quantile(alone, 0.5);
    result.ttft_behind_ms = Quantile(behind, 0.5);
    return result;
  }

 private:
  // By full attention over as many documents as there is room for.
  Request LongRequest() const {
    Request request;
    request.question = "Which note speaks of the lantern?";
    request.method = {MethodKind::kFull};
    request.max_tokens = 1;
    int64_t room = std::min(kLongPrompt, engine_.model().context_tokens * 9 / 10);
    for (int i = 0; room > 0; ++i) {
      request.documents.push_back(MadeUpDocument(engine_.linkable(), 1000 + i));
      room -= engine_.Describe(request.documents.back()).tokens;
    }
    return request;
  }

  Request RequestOf(int number) const {
    Request request;
    number %= kQuestions;
    request.question = "Which note speaks of the lantern, number " + std::to_string(number) + "?";
    for (int i = 0; i < kDocumentsEach; ++i) {
      request.documents.push_back(documents_[static_cast<size_t>((number + i) % kDocuments)]);
    }
    request.max_tokens = kTokensEach;
    request.ignore_end = true;
    request.strict = true;
    return request;
  }

  Status AskAlone(int number) {
    if (alone_.count(number) > 0) return {};
    KVLINK_ASSIGN_OR_RETURN(const Answer answer, engine_.Ask(RequestOf(number)));
    alone_[number] = IdsOf(answer);
    return {};
  }

  engine::EngineImpl& engine_;
  std::vector<Document> documents_;
  std::map<int, Ids> alone_;
};

Result<ServeReport> Unguarded(const EngineOptions& options, const ServeOptions& bench_options,
                              const std::function<void(std::string_view)>& progress) {
  if (bench_options.answers < 0) {
    return InvalidArgument("bench serve: " + std::to_string(bench_options.answers) +
                           " answers; expected 0 or more");
  }
  for (const int at_once : bench_options.requests) {
    if (at_once < 1 || at_once > kMostAtOnce) {
      return InvalidArgument("bench serve: " + std::to_string(at_once) +
                             " requests at once; expected 1 to " + std::to_string(kMostAtOnce));
    }
  }
  const auto say = [&](const std::string& what) {
    if (progress) progress(what);
  };
  say("loading the model");
  const model::ModelOptions model_options = engine::ModelOptionsOf(options);
  KVLINK_ASSIGN_OR_RETURN(
      std::unique_ptr<link::LinkableModel> model,
      link::LinkableModel::Load(FileSystem::Posix(), options.model_path, options.links_path,
                                model_options, options.prompt_template));
  KVLINK_ASSIGN_OR_RETURN(const BenchStage stage, SetStage(std::move(model), options));
  const ModelSummary& summary = stage.engine->model();
  ServeReport report;
  report.subject = SubjectOf(summary, model_options.threads);
  ServeBench bench(stage.engine.get());
  say("encoding the documents");
  KVLINK_RETURN_IF_ERROR(bench.Encode());
  for (const int at_once : bench_options.requests) {
    say(std::to_string(at_once) + (at_once == 1 ? " request" : " requests at once"));
    KVLINK_ASSIGN_OR_RETURN(ServeRow row, bench.Run(at_once, bench_options.answers));
    report.rows.push_back(row);
  }
  say("a question behind a long prompt");
  KVLINK_ASSIGN_OR_RETURN(report.behind_prefill, bench.MeasureBehindPrefill());
  return report;
}

}  // namespace

Result<ServeReport> RunBenchServe(const EngineOptions& options, const ServeOptions& bench,
                                  const std::function<void(std::string_view)>& progress) {
  return Guarded("bench serve: there is not enough memory; close other programs",
                 [&] { return Unguarded(options, bench, progress); });
}

}  // namespace kvlink::diagnose

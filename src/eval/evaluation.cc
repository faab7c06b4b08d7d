#include "eval/evaluation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "data/arrange.h"
#include "eval/metrics.h"
#include "eval/rouge.h"

namespace kvlink {
namespace {

constexpr char kBlockMethod[] = "block";
// Blocks of some hundred documents: what one question's methods share.
constexpr int64_t kBlockBytes = 1ll << 30;

Request RequestFor(const Example& example, const std::string& method, int32_t max_tokens) {
  Request request;
  request.question = example.question;
  for (const ExampleDocument& d : example.documents)
    request.documents.push_back({"", d.title, d.text, ""});
  request.method = method;
  request.max_tokens = max_tokens;
  request.strict = true;  // a dropped document would be another question
  return request;
}

double MeanLoss(const std::vector<float>& logprobs) {
  double sum = 0;
  for (const float l : logprobs) sum -= l;
  return logprobs.empty() ? 0 : sum / static_cast<double>(logprobs.size());
}

Scores ScoresOf(const Example& example, std::string_view answer) {
  Scores scores;
  if (example.kind == ExampleKind::kSummary) {
    scores.rouge_l = 0;
    for (const std::string& reference : example.answers) {
      scores.rouge_l = std::max(*scores.rouge_l, RougeL(reference, answer).f1);
    }
    return scores;
  }
  scores.subspan_em = BestSubspanEm(answer, example.answers);
  scores.em = ExactMatch(answer, example.answers);
  scores.f1 = TokenF1(answer, example.answers);
  return scores;
}

// What cannot be asked, or could not be told apart in the log, is refused before the first
// question.
Status CheckExamples(const std::vector<Example>& examples) {
  std::set<std::pair<std::string, std::string>> seen;  // data set, id
  for (const Example& example : examples) {
    const std::string where = "example " + example.id + " of " + example.dataset + ": ";
    if (example.question.empty() || example.answers.empty()) {
      return InvalidArgument(where +
                             "it has no question with an answer, as plain text has none; give "
                             "questions, summaries or chats");
    }
    if (!seen.emplace(example.dataset, example.id).second) {
      return InvalidArgument(where +
                             "two examples have this id; give each its own, and each file once");
    }
  }
  return {};
}

// The engines that the methods need: "block" has a link file of its own.
class Engines {
 public:
  explicit Engines(const EvaluationOptions& options) : options_(options) {}

  Result<Engine*> For(const std::string& method) {
    const bool block = method == kBlockMethod;
    if (block && options_.block_links_path.empty()) {
      return InvalidArgument(
          "method block needs a link file of its own, with K = 0 and an adapter: give one with "
          "--block-links");
    }
    std::unique_ptr<Engine>& engine = block ? block_ : main_;
    if (engine == nullptr) {
      EngineOptions engine_options = options_.engine;
      if (block) engine_options.links_path = options_.block_links_path;
      engine_options.store_path.clear();
      engine_options.store_budget_bytes = kBlockBytes;
      KVLINK_ASSIGN_OR_RETURN(engine, Engine::Open(engine_options));
    }
    return engine.get();
  }

 private:
  const EvaluationOptions& options_;
  std::unique_ptr<Engine> main_, block_;
};

Result<Prediction> AskOnce(Engine& engine, const Example& example, const std::string& method,
                           int32_t max_tokens) {
  Request request = RequestFor(example, method, max_tokens);
  request.gold = example.answers.front();
  KVLINK_ASSIGN_OR_RETURN(Answer answer, engine.Ask(request));
  Prediction p;
  p.id = example.id;
  p.dataset = example.dataset;
  p.method = method;
  p.text = answer.text;
  p.gold_loss = MeanLoss(answer.gold_logprobs);
  if (!std::isfinite(p.gold_loss)) {
    return DataLoss(
        "the gold answer's loss is not a number: the model or the link file is damaged");
  }
  if (max_tokens > 0) p.scores = ScoresOf(example, answer.text);
  p.answer_tokens = answer.usage.completion_tokens;
  if (answer.timings.encode_ms > 0) {
    // Blocks were made just now; a time to first token is measured with all of them there.
    request.gold.clear();
    request.max_tokens = 1;
    KVLINK_ASSIGN_OR_RETURN(answer, engine.Ask(request));
  }
  p.computed_tokens = answer.usage.computed_tokens;
  p.ttft_ms = answer.timings.ttft_ms;
  return p;
}

}  // namespace

std::vector<Example> ArrangeExamples(std::vector<Example> examples,
                                     const EvaluationOptions& options) {
  std::vector<Example> arranged;
  std::map<std::string, int64_t> count;  // of each data set
  for (Example& example : examples) {
    int64_t& number = count[example.dataset];
    if (options.limit > 0 && number >= options.limit) continue;
    if (example.kind == ExampleKind::kSummary) {
      CutIntoPieces(&example, options.piece_words);
      if (options.documents > 0) KeepDocuments(&example, options.documents);
      arranged.push_back(std::move(example));
      ++number;
      continue;  // pieces of one text keep their order
    }
    if (options.documents > 0) KeepDocuments(&example, options.documents);
    ShuffleDocuments(&example, options.seed);
    const int64_t places = static_cast<int64_t>(example.documents.size());
    if (example.gold.size() != 1 || options.gold_position == GoldPosition::kShuffled) {
      arranged.push_back(std::move(example));
    } else if (options.gold_position == GoldPosition::kCycled) {
      MoveGold(&example, static_cast<int32_t>(number % places));
      arranged.push_back(std::move(example));
    } else {
      for (int64_t place = 0; place < places; ++place) {
        arranged.push_back(example);
        arranged.back().id += "@" + std::to_string(place);
        MoveGold(&arranged.back(), static_cast<int32_t>(place));
      }
    }
    ++number;
  }
  return arranged;
}

Status Evaluate(const EvaluationOptions& options, const std::vector<Example>& examples,
                const EvaluationProgress& progress, PredictionLog* log,
                std::vector<std::string>* left_out) {
  if (examples.empty()) {
    return InvalidArgument("there is no example to evaluate: the files hold none");
  }
  if (options.methods.empty()) return InvalidArgument("no method is named: give --methods");
  KVLINK_RETURN_IF_ERROR(CheckExamples(examples));
  Engines engines(options);
  for (const std::string& method : options.methods) {
    KVLINK_RETURN_IF_ERROR(engines.For(method).status());
  }
  const int64_t total = static_cast<int64_t>(examples.size() * options.methods.size());
  int64_t done = 0;
  size_t too_long = 0;
  for (const Example& example : examples) {
    bool fits = true;
    for (const std::string& method : options.methods) {
      if (fits && !log->Has(example.dataset, example.id, method)) {
        KVLINK_ASSIGN_OR_RETURN(Engine* const engine, engines.For(method));
        Result<Prediction> p = AskOnce(*engine, example, method, options.max_tokens);
        if (p.ok()) {
          KVLINK_RETURN_IF_ERROR(log->Add(*std::move(p)));
        } else {
          Status status(p.code(), "example " + example.id + " of " + example.dataset +
                                      " by method " + method + ": " + p.status().message());
          if (p.code() != StatusCode::kResourceExhausted || left_out == nullptr) return status;
          if (++too_long == examples.size()) return status;
          left_out->push_back(status.message());
          fits = false;
        }
      }
      ++done;
      if (progress && !progress(done, total, example.dataset)) {
        return Cancelled("evaluation: stopped after " + std::to_string(done) + " of " +
                         std::to_string(total) + " answers");
      }
    }
  }
  return {};
}

}  // namespace kvlink

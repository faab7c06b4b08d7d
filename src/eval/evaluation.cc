#include "eval/evaluation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "base/guarded.h"
#include "data/arrange.h"
#include "eval/metrics.h"
#include "eval/rouge.h"

namespace kvlink::eval {
namespace {

constexpr char kBlockMethod[] = "block";
// Blocks of some hundred documents, at least: what one question's methods share.
constexpr int64_t kBlockBytes = 1ll << 30;

Request RequestFor(const data::Example& example, const Method& method, int32_t max_tokens) {
  Request request;
  request.question = example.question;
  for (const data::ExampleDocument& d : example.documents)
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

Scores ScoresOf(const data::Example& example, std::string_view answer) {
  Scores scores;
  if (example.kind == data::ExampleKind::kSummary) {
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

// What cannot be asked, or could not be told apart in the log.
Status CheckExamples(const std::vector<data::Example>& examples) {
  std::set<std::tuple<std::string, std::string, int32_t>> seen;  // data set, id, position
  for (const data::Example& example : examples) {
    const std::string where = "example " + example.id + " of " + example.dataset + ": ";
    if (example.question.empty() || example.answers.empty()) {
      return InvalidArgument(where +
                             "it has no question with an answer, as plain text has none; give "
                             "questions, summaries or chats");
    }
    if (!seen.emplace(example.dataset, example.id, example.gold_position).second) {
      return InvalidArgument(where +
                             "two examples have this id; give each its own, and each file once");
    }
  }
  return {};
}

// The engine of method block, whose links are its own; null where it is not asked.
Result<std::unique_ptr<Engine>> OpenForBlock(const EvaluationOptions& options) {
  if (!options.asks_block()) return std::unique_ptr<Engine>();
  EngineOptions engine_options = options.engine;
  engine_options.links_path = options.block_links_path;
  return OpenForEvaluation(engine_options);
}

Result<Prediction> AskOnce(Engine& engine, const data::Example& example, const std::string& method,
                           int32_t max_tokens) {
  KVLINK_ASSIGN_OR_RETURN(const Method parsed, ParseMethod(method));
  Request request = RequestFor(example, parsed, max_tokens);
  request.gold = example.answers.front();
  KVLINK_ASSIGN_OR_RETURN(Answer answer, engine.Ask(request));
  Prediction p;
  p.id = example.id;
  p.gold_position = example.gold_position;
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
    if (answer.timings.encode_ms > 0) {
      return ResourceExhausted(
          "its documents' blocks take more than is kept of blocks, so that its cost cannot be "
          "measured; give more with --budget, or fewer --documents");
    }
  }
  p.computed_tokens = answer.usage.computed_tokens;
  p.ttft_ms = answer.timings.ttft_ms;
  return p;
}

}  // namespace

std::vector<data::Example> ArrangeExamples(std::vector<data::Example> examples,
                                           const EvaluationOptions& options) {
  std::vector<data::Example> arranged;
  std::map<std::string, int64_t> count;  // of each data set
  for (data::Example& example : examples) {
    int64_t& number = count[example.dataset];
    if (options.limit > 0 && number >= options.limit) continue;
    if (example.kind == data::ExampleKind::kSummary)
      data::CutIntoPieces(&example, options.piece_words);
    if (options.max_documents > 0) data::KeepDocuments(&example, options.max_documents);
    // Pieces of one text and turns of one chat keep their order.
    const bool ordered = example.kind != data::ExampleKind::kQuestion;
    if (!ordered) data::ShuffleDocuments(&example, options.seed);
    const int64_t positions = static_cast<int64_t>(example.documents.size());
    if (ordered || example.gold.size() != 1 || options.gold_position == GoldPosition::kShuffled) {
      arranged.push_back(std::move(example));
    } else if (options.gold_position == GoldPosition::kCycled) {
      data::MoveGold(&example, static_cast<int32_t>(number % positions));
      arranged.push_back(std::move(example));
    } else {
      for (int64_t position = 0; position < positions; ++position) {
        arranged.push_back(example);
        arranged.back().gold_position = static_cast<int32_t>(position);
        data::MoveGold(&arranged.back(), static_cast<int32_t>(position));
      }
    }
    ++number;
  }
  return arranged;
}

bool EvaluationOptions::asks_block() const {
  return std::find(methods.begin(), methods.end(), kBlockMethod) != methods.end();
}

Status CheckEvaluation(const EvaluationOptions& options,
                       const std::vector<data::Example>& examples) {
  if (examples.empty()) {
    return InvalidArgument("there is no example to evaluate: the files hold none");
  }
  if (options.methods.empty()) return InvalidArgument("no method is named: give --methods");
  if (options.asks_block() && options.block_links_path.empty()) {
    return InvalidArgument(
        "method block needs a link file of its own, with K = 0 and an adapter: give one with "
        "--block-links");
  }
  return CheckExamples(examples);
}

Result<std::unique_ptr<Engine>> OpenForEvaluation(EngineOptions options) {
  options.store_path.clear();
  options.store_budget_bytes = std::max(options.store_budget_bytes, kBlockBytes);
  return Engine::Open(options);
}

namespace {

Status EvaluateUnguarded(Engine& engine, const EvaluationOptions& options,
                         const std::vector<data::Example>& examples,
                         const EvaluationProgress& progress, PredictionLog* log,
                         std::vector<std::string>* left_out) {
  KVLINK_RETURN_IF_ERROR(CheckEvaluation(options, examples));
  KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> block, OpenForBlock(options));
  const int64_t total = static_cast<int64_t>(examples.size() * options.methods.size());
  int64_t done = 0;
  std::set<std::pair<std::string, std::string>> do_not_fit;  // data set, id
  bool one_fits = false;
  for (const data::Example& example : examples) {
    // Longer at one position of its gold document is too long at all.
    bool fits = !do_not_fit.contains({example.dataset, example.id});
    for (const std::string& method : options.methods) {
      if (fits && !log->Has(example.dataset, example.id, method, example.gold_position)) {
        Engine& asked = method == kBlockMethod ? *block : engine;
        Result<Prediction> p = AskOnce(asked, example, method, options.max_tokens);
        if (p.ok()) {
          KVLINK_RETURN_IF_ERROR(log->Add(*std::move(p)));
        } else {
          Status status(p.code(), "example " + example.id + " of " + example.dataset +
                                      " by method " + method + ": " + p.status().message());
          if (p.code() != StatusCode::kResourceExhausted || left_out == nullptr) return status;
          left_out->push_back(status.message());
          do_not_fit.emplace(example.dataset, example.id);
          fits = false;
        }
      }
      ++done;
      if (progress && !progress(done, total, example.dataset)) {
        return Cancelled("evaluation: stopped after " + std::to_string(done) + " of " +
                         std::to_string(total) + " answers");
      }
    }
    one_fits = one_fits || fits;
  }
  return one_fits ? Status() : ResourceExhausted(left_out->back());
}

}  // namespace

Status Evaluate(Engine& engine, const EvaluationOptions& options,
                const std::vector<data::Example>& examples, const EvaluationProgress& progress,
                PredictionLog* log, std::vector<std::string>* left_out) {
  return Guarded("evaluation: there is not enough memory; give fewer examples", [&] {
    return EvaluateUnguarded(engine, options, examples, progress, log, left_out);
  });
}

}  // namespace kvlink::eval

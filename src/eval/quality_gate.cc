// Exceptions of nlohmann::json are off here.
#include "eval/quality_gate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/guarded.h"
#include "base/hash.h"
#include "base/quote.h"
#include "eval/gate_set.h"

namespace kvlink::eval {
namespace {

using nlohmann::ordered_json;

const Row* FindRow(const Report& report, const std::string& dataset, const std::string& method) {
  for (const Row& row : report.rows) {
    if (row.dataset == dataset && row.method == method) return &row;
  }
  return nullptr;
}

ordered_json ToJson(const Estimate& e) {
  if (!e.measured()) return {};
  return {{"mean", e.value}, {"low", e.low}, {"high", e.high}};
}

std::string HashOf(const std::vector<data::Example>& examples) {
  Sha256 hash;
  hash.Field("kvlink-gate-data").Field(examples.size());
  for (const data::Example& e : examples) {
    hash.Field(e.id).Field(e.dataset).Field(e.question).Field(e.answers.size());
    for (const std::string& answer : e.answers) hash.Field(answer);
    hash.Field(e.documents.size());
    for (const data::ExampleDocument& d : e.documents) hash.Field(d.title).Field(d.text);
  }
  return ToHex(hash.Finish());
}

template <class... Numbers>
std::string Line(const char* format, Numbers... numbers) {
  char buffer[320];
  std::snprintf(buffer, sizeof buffer, format, numbers...);
  return buffer;
}

void Append(std::string* line, const std::string& part) {
  *line += (line->empty() ? "" : "; ") + part;
}

// Named apart from the built-in ones and from each other, whatever their files call them.
Status PrepareOwn(std::vector<data::Example>* own) {
  for (size_t i = 0; i < own->size(); ++i) {
    data::Example& e = (*own)[i];
    if (e.question.empty() || e.documents.empty() || e.answers.empty()) {
      return InvalidArgument("example " + PrintableLine(e.id) + " of " + PrintableLine(e.dataset) +
                             ": it has no " +
                             (e.question.empty()    ? "question"
                              : e.documents.empty() ? "documents"
                                                    : "answer") +
                             "; the gate asks questions over documents whose answers are known");
    }
    e.id = "own " + std::to_string(i) + " " + e.id;
    e.dataset = "own " + PrintableLine(e.dataset);
  }
  return {};
}

// Summaries have no F1 of words; their measure is ROUGE-L.
double Score(const Row& row) { return row.f1.measured() ? row.f1.value : row.rouge_l.value; }
const char* ScoreName(const Row& row) { return row.f1.measured() ? "F1" : "ROUGE-L"; }

// Why a set says nothing about links; empty: it does.
std::string WhyNotMeasured(const Row& none, const Row& best_full, const Row& link) {
  if (!(none.gold_loss.value > best_full.gold_loss.value)) {
    return Line(
        "documents do not help this model (a gold answer's loss is %.3f nats a token without them "
        "and %.3f with full attention), so that nothing can be measured",
        none.gold_loss.value, best_full.gold_loss.value);
  }
  if (!link.recovered.measured() || !link.recovered.has_interval()) {
    return "documents help too few of its questions for an interval around what is recovered, so "
           "that nothing is measured";
  }
  return "";
}

// "39 % exact matches (full attention 39 %), ": against the better of full attention's two.
std::string ExactMatches(const Row& full, const Row* adapted, const Row& link) {
  if (!link.em.measured()) return "";
  const double best = std::max(full.em.value, adapted != nullptr ? adapted->em.value : 0.0);
  return Line("%.0f %% exact matches (full attention %.0f %%), ", 100 * link.em.value, 100 * best);
}

// One data set's part of the verdict, and its figures.
ordered_json JudgeSet(const Row& none, const Row& full, const Row* adapted, const Row& link,
                      GateVerdict* verdict) {
  const std::string set = link.dataset + ": ";
  const auto n = static_cast<long long>(link.n);
  const std::string why = WhyNotMeasured(none, adapted != nullptr ? *adapted : full, link);
  const double best = std::max(Score(full), adapted != nullptr ? Score(*adapted) : 0.0);
  const bool recovers = why.empty() && link.recovered.value >= kGateRecovered;
  const bool answers = best > 0 && Score(link) >= kGateF1 * best;
  const bool enough = link.n >= kGateQuestions;
  if (why.empty()) {
    Append(&verdict->summary,
           set +
               Line("recovers %.3f of what documents are worth (95 %% interval %.3f to %.3f), %s "
                    "%.3f against full attention's %.3f, ",
                    link.recovered.value, link.recovered.low, link.recovered.high, ScoreName(link),
                    Score(link), best) +
               ExactMatches(full, adapted, link) + Line("%lld questions", n));
  } else {
    Append(&verdict->summary, set + why);
    Append(&verdict->shortfall, set + why);
  }
  if (why.empty() && !recovers) {
    Append(&verdict->shortfall,
           set + Line("recovers %.4f of what documents are worth, %.2f is asked",
                      link.recovered.value, kGateRecovered));
  }
  if (!(best > 0)) {
    Append(&verdict->shortfall,
           set + Line("full attention's %s is 0, so that no answers can be compared with it",
                      ScoreName(link)));
  } else if (!answers) {
    Append(&verdict->shortfall, set + Line("%s %.3f, and %.2f of full attention's %.3f is asked",
                                           ScoreName(link), Score(link), kGateF1, best));
  }
  if (!enough) {
    Append(&verdict->too_few,
           set + Line("%lld question%s, and at least %lld are asked", n, n == 1 ? "" : "s",
                      static_cast<long long>(kGateQuestions)));
  }
  return {{"dataset", link.dataset},
          {"n", link.n},
          {"recovered", ToJson(link.recovered)},
          {"gold_loss",
           {{"none", none.gold_loss.value},
            {"full", full.gold_loss.value},
            {"full+adapter", adapted != nullptr ? ordered_json(adapted->gold_loss.value) : nullptr},
            {"link", link.gold_loss.value}}},
          {"f1", ToJson(link.f1)},
          {"em", ToJson(link.em)},
          {"rouge_l", ToJson(link.rouge_l)},
          {"best_full", best},
          {"passed", recovers && answers && enough}};
}

}  // namespace

GateVerdict JudgeGate(const Report& report) {
  GateVerdict verdict;
  ordered_json sets = ordered_json::array();
  for (const Row& link : report.rows) {
    if (link.method != "link") continue;
    const Row* none = FindRow(report, link.dataset, "none");
    const Row* full = FindRow(report, link.dataset, "full");
    if (none == nullptr || full == nullptr) continue;
    sets.push_back(
        JudgeSet(*none, *full, FindRow(report, link.dataset, "full+adapter"), link, &verdict));
  }
  if (sets.empty()) verdict.shortfall = "nothing was measured";
  if (!verdict.too_few.empty()) Append(&verdict.shortfall, verdict.too_few);
  verdict.passed = verdict.shortfall.empty();
  verdict.figures = ordered_json{
      {"limits", {{"recovered", kGateRecovered}, {"f1", kGateF1}, {"questions", kGateQuestions}}},
      {"max_tokens", kGateMaxTokens},
      {"sets", sets}}.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  return verdict;
}

std::vector<data::Example> EvenSample(std::vector<data::Example> examples, int64_t n) {
  std::map<std::string, int64_t> sizes, seen;
  for (const data::Example& e : examples) ++sizes[e.dataset];
  std::erase_if(examples, [&](const data::Example& e) {
    const int64_t size = sizes[e.dataset], at = seen[e.dataset]++;
    // Kept where the share of those that are to be kept passes a whole number.
    return n < size && at * n / size == (at - 1) * n / size && at > 0;
  });
  return examples;
}

int64_t QuestionsOf(std::string_view figures) {
  const ordered_json json = ordered_json::parse(figures, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("sets") || !json["sets"].is_array()) return 0;
  for (const ordered_json& set : json["sets"]) {
    if (!set.is_object() || !set.contains("dataset") || set["dataset"] != "gate") continue;
    return set.contains("n") && set["n"].is_number_integer() ? set["n"].get<int64_t>() : 0;
  }
  return 0;
}

namespace {

Result<GateResult> MeasureUnguarded(const GateOptions& options, std::vector<data::Example> own,
                                    const EvaluationProgress& progress) {
  GateResult result;
  EvaluationOptions& evaluation = result.evaluation;
  evaluation.engine = options.engine;
  evaluation.limit = options.limit;
  evaluation.max_tokens = kGateMaxTokens;
  KVLINK_RETURN_IF_ERROR(PrepareOwn(&own));
  KVLINK_ASSIGN_OR_RETURN(std::vector<data::Example> examples, ReadGateSet(BuiltInGateSet()));
  std::move(own.begin(), own.end(), std::back_inserter(examples));
  result.of = static_cast<int64_t>(examples.size());
  if (options.limit == 0 && options.sample > 0) {
    examples = EvenSample(std::move(examples), options.sample);
  }
  examples = ArrangeExamples(std::move(examples), evaluation);
  result.asked = static_cast<int64_t>(examples.size());
  result.data = HashOf(examples);
  KVLINK_ASSIGN_OR_RETURN(const auto engine, OpenForEvaluation(options.engine));
  if (const std::string& why = engine->model().why_not_linkable; !why.empty()) {
    return Unsupported("this model cannot be linked: " + why);
  }
  result.model = engine->model().fingerprint;
  result.links = engine->model().links_content;
  evaluation.methods = {"none", "full", "link"};
  if (engine->model().has_adapter) evaluation.methods = {"none", "full", "full+adapter", "link"};
  KVLINK_ASSIGN_OR_RETURN(PredictionLog log, PredictionLog::Open(""));
  KVLINK_RETURN_IF_ERROR(Evaluate(*engine, evaluation, examples, progress, &log));
  result.report = Summarise(log.all(), evaluation.methods, evaluation.seed);
  result.verdict = JudgeGate(result.report);
  return result;
}

}  // namespace

Result<GateResult> MeasureGate(const GateOptions& options, std::vector<data::Example> own,
                               const EvaluationProgress& progress) {
  return Guarded("the gate: there is not enough memory; close other programs",
                 [&] { return MeasureUnguarded(options, std::move(own), progress); });
}

}  // namespace kvlink::eval

#include "eval/quality_gate.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "eval/gate_set.h"

namespace kvlink {
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

std::string HashOf(const std::vector<Example>& examples) {
  Sha256 hash;
  hash.Field("kvlink-gate-data").Field(examples.size());
  for (const Example& e : examples) {
    hash.Field(e.id).Field(e.dataset).Field(e.question).Field(e.answers.size());
    for (const std::string& answer : e.answers) hash.Field(answer);
    hash.Field(e.documents.size());
    for (const ExampleDocument& d : e.documents) hash.Field(d.title).Field(d.text);
  }
  return ToHex(hash.Finish());
}

template <class... Numbers>
std::string Line(const char* format, Numbers... numbers) {
  char buffer[320];
  std::snprintf(buffer, sizeof buffer, format, numbers...);
  return buffer;
}

}  // namespace

Result<GateResult> MeasureGate(const EngineOptions& options, std::vector<Example> own,
                               const EvaluationProgress& progress) {
  EvaluationOptions evaluation;
  evaluation.engine = options;
  evaluation.methods = {"none", "full", "full+adapter", "link"};
  evaluation.max_tokens = kGateMaxTokens;
  KVLINK_ASSIGN_OR_RETURN(std::vector<Example> examples, ReadGateSet(BuiltInGateSet()));
  std::move(own.begin(), own.end(), std::back_inserter(examples));
  examples = ArrangeExamples(std::move(examples), evaluation);

  GateResult result;
  result.data = HashOf(examples);
  KVLINK_ASSIGN_OR_RETURN(PredictionLog log, PredictionLog::Open(""));
  KVLINK_RETURN_IF_ERROR(Evaluate(evaluation, examples, progress, &log));
  result.evaluation = Summarise(log.all(), evaluation.methods, evaluation.seed);

  result.passed = true;
  ordered_json sets = ordered_json::array();
  for (const Row& link : result.evaluation.rows) {
    if (link.method != "link") continue;
    const Row* full = FindRow(result.evaluation, link.dataset, "full");
    const Row* adapted = FindRow(result.evaluation, link.dataset, "full+adapter");
    const Row* none = FindRow(result.evaluation, link.dataset, "none");
    // Summaries have no F1 of words; their measure is ROUGE-L.
    const auto score = [](const Row& row) {
      return row.f1.measured() ? row.f1.value : row.rouge_l.value;
    };
    const double best = std::max(score(*full), score(*adapted));
    const bool passed = link.recovered.value >= kGateRecovered && score(link) >= kGateF1 * best;
    result.passed = result.passed && passed;
    result.summary +=
        (result.summary.empty() ? "" : "; ") + link.dataset +
        Line(
            ": recovers %.3f of what documents are worth (95 %% interval %.3f to %.3f), F1 %.3f "
            "against full attention's %.3f, %lld questions",
            link.recovered.value, link.recovered.low, link.recovered.high, score(link), best,
            static_cast<long long>(link.n));
    sets.push_back({{"dataset", link.dataset},
                    {"n", link.n},
                    {"recovered", ToJson(link.recovered)},
                    {"gold_loss",
                     {{"none", none->gold_loss.value},
                      {"full", full->gold_loss.value},
                      {"full+adapter", adapted->gold_loss.value},
                      {"link", link.gold_loss.value}}},
                    {"f1", ToJson(link.f1)},
                    {"em", ToJson(link.em)},
                    {"rouge_l", ToJson(link.rouge_l)},
                    {"best_full", best},
                    {"passed", passed}});
  }
  result.figures = ordered_json{
      {"limits", {{"recovered", kGateRecovered}, {"f1", kGateF1}}},
      {"max_tokens", kGateMaxTokens},
      {"seed", evaluation.seed},
      {"sets", sets}}.dump();
  return result;
}

}  // namespace kvlink

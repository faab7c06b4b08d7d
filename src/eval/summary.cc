#include "eval/summary.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "base/random.h"

namespace kvlink::eval {
namespace {

constexpr int kResamples = 1000;

// One method's answers on one data set, question by question in the same order for all methods; of
// each question one, or one for each position of its gold document.
using Answers = std::vector<std::vector<const Prediction*>>;

struct DataSet {
  std::string name;
  std::map<std::string, Answers> by_method;
};

std::vector<DataSet> Group(const std::vector<Prediction>& predictions,
                           const std::vector<std::string>& methods) {
  using Asked = std::tuple<std::string, std::string, int32_t>;  // data set, id, position
  std::vector<std::string> names;
  std::map<std::string, std::vector<Asked>> asked;  // of a data set, as they came
  std::map<Asked, std::map<std::string, const Prediction*>> answers;
  for (const Prediction& p : predictions) {
    if (std::find(methods.begin(), methods.end(), p.method) == methods.end()) continue;
    const Asked key(p.dataset, p.id, p.gold_position);
    if (!asked.contains(p.dataset)) names.push_back(p.dataset);
    auto& of_key = answers[key];
    if (of_key.empty()) asked[p.dataset].push_back(key);
    of_key.emplace(p.method, &p);
  }
  std::vector<DataSet> sets;
  for (const std::string& name : names) {
    DataSet set{name, {}};
    std::map<std::string, size_t> numbers;  // of questions, by id
    for (const Asked& key : asked[name]) {
      const auto& of_key = answers[key];
      if (of_key.size() < methods.size()) continue;
      const size_t number = numbers.emplace(std::get<1>(key), numbers.size()).first->second;
      for (const std::string& method : methods) {
        Answers& of_method = set.by_method[method];
        of_method.resize(std::max(of_method.size(), number + 1));
        of_method[number].push_back(of_key.at(method));
      }
    }
    if (!set.by_method.empty()) sets.push_back(std::move(set));
  }
  return sets;
}

// The positions that some gold document of the set was moved to, in order.
std::set<int32_t> PositionsOf(const DataSet& set) {
  std::set<int32_t> positions;
  for (const auto& question : set.by_method.begin()->second) {
    for (const Prediction* p : question) {
      if (p->gold_position >= 0) positions.insert(p->gold_position);
    }
  }
  return positions;
}

// The questions whose gold document was at this position.
DataSet AtPosition(const DataSet& set, int32_t position) {
  DataSet at{set.name, {}};
  for (const auto& [method, answers] : set.by_method) {
    for (const auto& question : answers) {
      for (const Prediction* p : question) {
        if (p->gold_position == position) at.by_method[method].push_back({p});
      }
    }
  }
  return at;
}

struct Metric {
  const char* name;
  std::optional<double> (*of)(const Prediction&);
  Estimate Row::*value;
};
constexpr Metric kMetrics[] = {
    {"gold_loss", [](const Prediction& p) { return std::optional(p.gold_loss); }, &Row::gold_loss},
    {"subspan_em", [](const Prediction& p) { return p.scores.subspan_em; }, &Row::subspan_em},
    {"em", [](const Prediction& p) { return p.scores.em; }, &Row::em},
    {"f1", [](const Prediction& p) { return p.scores.f1; }, &Row::f1},
    {"rouge_l", [](const Prediction& p) { return p.scores.rouge_l; }, &Row::rouge_l}};

// A question's value is the mean over its positions: they are no questions of their own, and
// intervals must not count them as such. Empty unless every answer has it.
std::vector<double> ValuesOf(const Answers& answers,
                             std::optional<double> (*of)(const Prediction&)) {
  std::vector<double> values;
  for (const auto& question : answers) {
    double sum = 0;
    for (const Prediction* p : question) {
      const std::optional<double> value = of(*p);
      if (!value) return {};
      sum += *value;
    }
    values.push_back(sum / static_cast<double>(question.size()));
  }
  return values;
}

std::vector<double> Losses(const DataSet& set, const std::string& method) {
  return ValuesOf(set.by_method.at(method), kMetrics[0].of);
}

// A ratio of differences of means has no interval of its own form: the questions are drawn again.
// Where documents are worth nothing there is no share of it. A draw of questions on which they are
// worth nothing says nothing; where such draws are too many to leave out, there is no interval.
Estimate Recovered(const std::vector<double>& none, const std::vector<double>& full,
                   const std::vector<double>& method, uint64_t seed) {
  const size_t n = none.size();
  Random random(seed);
  std::vector<double> shares;
  double share = 0;
  for (int r = 0; r <= kResamples; ++r) {
    double kept = 0, worth = 0;
    for (size_t i = 0; i < n; ++i) {
      const size_t q = r == 0 ? i : random.Below(n);
      kept += none[q] - method[q];
      worth += none[q] - full[q];
    }
    if (r == 0) {
      if (!(worth > 0)) return {};
      share = kept / worth;
    } else if (worth > 0) {
      shares.push_back(kept / worth);
    }
  }
  const size_t cut = kResamples * 25 / 1000;
  if (shares.size() < kResamples - cut) return Estimate(share);
  std::sort(shares.begin(), shares.end());
  return {share, shares[cut], shares[shares.size() - 1 - cut]};
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Row RowOf(const DataSet& set, const std::string& method, uint64_t seed) {
  const Answers& answers = set.by_method.at(method);
  Row row;
  row.dataset = set.name;
  row.method = method;
  row.n = static_cast<int64_t>(answers.size());
  for (const Metric& metric : kMetrics) {
    const std::vector<double> values = ValuesOf(answers, metric.of);
    if (!values.empty()) row.*metric.value = MeanWithInterval(values, {.seed = seed});
  }
  const auto mean = [&](std::optional<double> (*of)(const Prediction&)) {
    return MeanWithInterval(ValuesOf(answers, of), {.seed = seed});
  };
  row.answer_tokens =
      mean([](const Prediction& p) { return std::optional(static_cast<double>(p.answer_tokens)); });
  row.computed_tokens = mean(
      [](const Prediction& p) { return std::optional(static_cast<double>(p.computed_tokens)); });
  std::vector<double> ttft;
  for (const auto& question : answers) {
    for (const Prediction* p : question) ttft.push_back(p->ttft_ms);
  }
  row.ttft_ms.value = Median(std::move(ttft));
  return row;
}

}  // namespace

Report Summarise(const std::vector<Prediction>& predictions,
                 const std::vector<std::string>& methods, uint64_t seed) {
  const auto asked = [&](const std::string& method) {
    return std::find(methods.begin(), methods.end(), method) != methods.end();
  };
  const std::string best = asked("full+adapter") ? "full+adapter" : "full";
  const auto add_rows = [&](const DataSet& set, int32_t position, std::vector<Row>* rows) {
    for (const std::string& method : methods) {
      Row row = RowOf(set, method, seed);
      row.gold_position = position;
      if (asked("none") && asked(best)) {
        row.recovered =
            Recovered(Losses(set, "none"), Losses(set, best), Losses(set, method), seed);
      }
      rows->push_back(std::move(row));
    }
  };
  Report report;
  for (const DataSet& set : Group(predictions, methods)) {
    add_rows(set, -1, &report.rows);
    for (const int32_t position : PositionsOf(set)) {
      add_rows(AtPosition(set, position), position, &report.positions);
    }
    for (const char* baseline : {"full", "full+adapter", "link"}) {
      if (!asked(baseline)) continue;
      for (const std::string& method : methods) {
        if (method == baseline) continue;
        for (const Metric& metric : kMetrics) {
          const std::vector<double> a = ValuesOf(set.by_method.at(baseline), metric.of),
                                    b = ValuesOf(set.by_method.at(method), metric.of);
          if (a.empty() || b.empty()) continue;
          report.differences.push_back({set.name, metric.name, method, baseline,
                                        static_cast<int64_t>(a.size()),
                                        PairedDifference(a, b, {.seed = seed})});
        }
      }
    }
  }
  return report;
}

}  // namespace kvlink::eval

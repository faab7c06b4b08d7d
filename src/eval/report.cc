// A report's tables, means and frontier (eval/report.h), and its text. report_html.cc draws.
#include "eval/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

#include "base/utf8.h"
#include "eval/report_table.h"

namespace kvlink::eval {
namespace {

constexpr const char* kDash = "\u2013";

size_t Columns(const std::string& text) {
  size_t columns = 0;
  for (size_t at = 0; at < text.size(); at += NextUtf8(text, at).size) ++columns;
  return columns;
}

// Names come from files: a newline or an escape in one must not break the table.
std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return text;
}

void AppendTable(const Table& table, std::string* out) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < table.heads.size(); ++c) {
    size_t width = Columns(table.heads[c]);
    for (const auto& row : table.cells) width = std::max(width, Columns(row[c]));
    widths.push_back(width);
  }
  const auto append = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t c = 0; c < cells.size(); ++c) {
      const std::string padding(widths[c] - Columns(cells[c]), ' ');
      if (c > 0) line += "  ";
      line += table.is_text[c] ? cells[c] + padding : padding + cells[c];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    *out += line + "\n";
  };
  append(table.heads);
  for (size_t r = 0; r < table.cells.size(); ++r) {
    if (table.rule_before[r]) {
      const size_t width = std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1));
      *out += std::string(width, '-') + "\n";
    }
    append(table.cells[r]);
  }
}

Estimate MeanOf(const std::vector<Estimate>& estimates) {
  const auto count = static_cast<double>(estimates.size());
  double sum = 0, below = 0, above = 0;
  for (const Estimate& estimate : estimates) {
    sum += estimate.value;
    below += std::pow(estimate.value - estimate.low, 2);
    above += std::pow(estimate.high - estimate.value, 2);
  }
  const double mean = sum / count;  // not a number, and so not measured, if one of them is not
  return {mean, mean - std::sqrt(below) / count, mean + std::sqrt(above) / count};
}

bool IsSummary(const std::vector<Row>& rows, const std::string& dataset) {
  return std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
    return row.dataset == dataset && row.rouge_l.measured() && !row.f1.measured();
  });
}

std::vector<Row> MeansOf(const std::vector<Row>& rows, const std::string& name) {
  std::vector<std::string> datasets, methods;
  const auto add = [](const std::string& one, std::vector<std::string>* names) {
    if (std::find(names->begin(), names->end(), one) == names->end()) names->push_back(one);
  };
  for (const Row& row : rows) {
    add(row.dataset, &datasets);
    add(row.method, &methods);
  }
  std::vector<Row> means;
  if (datasets.size() < 2) return means;
  for (const std::string& method : methods) {
    std::vector<const Row*> of_method;
    for (const std::string& dataset : datasets) {
      const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) {
        return r.dataset == dataset && r.method == method;
      });
      if (row != rows.end()) of_method.push_back(&*row);
    }
    if (of_method.size() != datasets.size()) continue;
    Row mean;
    mean.dataset = name;
    mean.method = method;
    for (const Row* row : of_method) mean.n += row->n;
    for (const Measure& measure : Measures()) {
      std::vector<Estimate> estimates;
      estimates.reserve(of_method.size());
      for (const Row* row : of_method) estimates.push_back(row->*measure.value);
      mean.*measure.value = MeanOf(estimates);
    }
    means.push_back(std::move(mean));
  }
  return means;
}

}  // namespace

const std::vector<Measure>& Measures() {
  static const std::vector<Measure> measures = {
      {"subspan_em", "subspan EM %", "answers that hold a right one", &Row::subspan_em, 100, 1,
       false, false},
      {"em", "EM %", "answers that are a right one", &Row::em, 100, 1, false, false},
      {"f1", "F1 %", "words shared with a right answer", &Row::f1, 100, 1, false, true},
      {"rouge_l", "ROUGE-L %", "ROUGE-L against the reference summary", &Row::rouge_l, 100, 1,
       false, true},
      {"gold_loss", "gold loss", "nats a token of the right answer", &Row::gold_loss, 1, 3, true,
       true},
      {"recovered", "recovered %", "of what documents are worth to full attention", &Row::recovered,
       100, 1, false, true},
      {"answer_tokens", "answer tok", "tokens generated", &Row::answer_tokens, 1, 1, true, false},
      {"computed_tokens", "computed tok", "prompt tokens computed at question time",
       &Row::computed_tokens, 1, 0, true, false},
      {"ttft_ms", "TTFT ms", "time to first token", &Row::ttft_ms, 1, 1, true, false},
  };
  return measures;
}

std::string EstimateText(const Estimate& estimate, double scale, int decimals, bool sign) {
  if (!std::isfinite(estimate.value)) return kDash;
  char text[160];
  std::snprintf(text, sizeof text, sign ? "%+.*f" : "%.*f", decimals, estimate.value * scale);
  std::string out = text;
  if (estimate.has_interval()) {
    std::snprintf(text, sizeof text, sign ? " [%+.*f, %+.*f]" : " [%.*f, %.*f]", decimals,
                  estimate.low * scale, decimals, estimate.high * scale);
    out += text;
  }
  return out;
}

std::vector<Row> MeanRows(const std::vector<Row>& rows) {
  std::vector<Row> answers, summaries;
  for (const Row& row : rows) (IsSummary(rows, row.dataset) ? summaries : answers).push_back(row);
  const bool both = !answers.empty() && !summaries.empty();
  std::vector<Row> means = MeansOf(answers, both ? "mean of answers" : "mean");
  for (Row& row : MeansOf(summaries, both ? "mean of summaries" : "mean")) {
    means.push_back(std::move(row));
  }
  return means;
}

std::vector<Row> RowsWithMeans(const Report& report) {
  std::vector<Row> rows = report.rows;
  for (Row& mean : MeanRows(report.rows)) rows.push_back(std::move(mean));
  return rows;
}

std::vector<size_t> ParetoFrontier(const std::vector<double>& x, const std::vector<double>& y,
                                   bool lower_is_better) {
  const auto goodness = [&](size_t i) { return lower_is_better ? -y[i] : y[i]; };
  std::vector<size_t> order;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return x[a] != x[b] ? x[a] < x[b] : goodness(a) > goodness(b);
  });
  std::vector<size_t> frontier;
  for (const size_t i : order) {
    const bool better = frontier.empty() || goodness(i) > goodness(frontier.back());
    const bool twin = !frontier.empty() && x[i] == x[frontier.back()] && y[i] == y[frontier.back()];
    if (better || twin) frontier.push_back(i);
  }
  return frontier;
}

Table RowsTable(const std::vector<Row>& rows, bool all_intervals) {
  Table table;
  table.heads = {"dataset", "method", "n"};
  table.is_text = {true, true, false};
  const bool by_position =
      std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.gold_position >= 0; });
  if (by_position) {
    table.heads.push_back("gold at");
    table.is_text.push_back(false);
  }
  std::vector<const Measure*> shown;
  for (const Measure& measure : Measures()) {
    if (std::any_of(rows.begin(), rows.end(),
                    [&](const Row& row) { return (row.*measure.value).measured(); })) {
      shown.push_back(&measure);
      table.heads.push_back(measure.head);
      table.is_text.push_back(false);
    }
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    std::vector<std::string> cells = {Printable(row.dataset), Printable(row.method),
                                      std::to_string(row.n)};
    if (by_position) cells.push_back(std::to_string(row.gold_position));
    for (const Measure* measure : shown) {
      const Estimate& estimate = row.*measure->value;
      cells.push_back(
          EstimateText(measure->interval || all_intervals ? estimate : Estimate(estimate.value),
                       measure->scale, measure->decimals));
    }
    table.cells.push_back(std::move(cells));
    table.rule_before.push_back(i == 0 || rows[i - 1].dataset != row.dataset ||
                                rows[i - 1].gold_position != row.gold_position);
  }
  return table;
}

std::vector<Difference> MainDifferences(const std::vector<Difference>& differences) {
  std::vector<Difference> chosen;
  for (const Difference& d : differences) {
    const bool main = d.metric == "gold_loss" || d.metric == "f1" || d.metric == "rouge_l";
    if (d.baseline == "link" && main) chosen.push_back(d);
  }
  return chosen;
}

// A row for each pair of methods on a data set, a column for each metric.
Table DifferencesTable(const std::vector<Difference>& differences) {
  Table table;
  table.heads = {"dataset", "difference", "n"};
  table.is_text = {true, true, false};
  std::vector<const Measure*> shown;
  for (const Measure& measure : Measures()) {
    if (std::any_of(differences.begin(), differences.end(),
                    [&](const Difference& d) { return d.metric == measure.name; })) {
      shown.push_back(&measure);
      table.heads.push_back(measure.head);
      table.is_text.push_back(false);
    }
  }
  const auto same_row = [](const Difference& a, const Difference& b) {
    return a.dataset == b.dataset && a.method == b.method && a.baseline == b.baseline;
  };
  for (size_t i = 0; i < differences.size(); ++i) {
    const Difference& d = differences[i];
    if (i == 0 || !same_row(differences[i - 1], d)) {
      table.cells.push_back({Printable(d.dataset),
                             Printable(d.method) + " \u2212 " + Printable(d.baseline),
                             std::to_string(d.n)});
      table.cells.back().resize(table.heads.size(), kDash);
      table.rule_before.push_back(i == 0 || differences[i - 1].dataset != d.dataset);
    }
    for (size_t column = 0; column < shown.size(); ++column) {
      if (d.metric != shown[column]->name) continue;
      table.cells.back()[3 + column] =
          EstimateText(d.value, shown[column]->scale, std::max(shown[column]->decimals, 1), true);
    }
  }
  return table;
}

std::string ReportText(const Report& report) {
  std::string out;
  if (!report.title.empty()) out += Printable(report.title) + "\n";
  for (const std::string& note : report.notes) out += "  " + Printable(note) + "\n";
  if (!out.empty()) out += "\n";
  AppendTable(RowsTable(RowsWithMeans(report), false), &out);
  if (!report.positions.empty()) {
    out += "\nBy the number of documents before the one with the answer\n";
    AppendTable(RowsTable(report.positions, false), &out);
  }
  const std::vector<Difference> differences = MainDifferences(report.differences);
  if (!differences.empty()) {
    out += "\nPaired differences, the same examples\n";
    AppendTable(DifferencesTable(differences), &out);
  }
  out += "\n[low, high]: 95 % intervals by the bootstrap over examples\n";
  return out;
}

}  // namespace kvlink::eval

// A report as one HTML file (eval/report.h): charts of quality against time, then the tables. The
// colours follow the reader's light or dark setting, but for charts, which are always on white.
#include <algorithm>
#include <string>
#include <vector>

#include "chart/plot.h"
#include "eval/report.h"
#include "eval/report_table.h"

namespace kvlink::eval {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", Arial, sans-serif; margin: 2rem auto; padding: 0 1rem;
  max-width: 1500px; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
ul.notes { padding-left: 1.2rem; opacity: .85; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; }
.charts svg { max-width: 100%; height: auto; border: 1px solid #8884; border-radius: 6px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; white-space: nowrap; }
th, td { padding: .25rem .7rem; text-align: right; font-variant-numeric: tabular-nums; }
th.text, td.text { text-align: left; }
thead th { border-bottom: 2px solid #8888; vertical-align: bottom; }
tr.rule td { border-top: 1px solid #8886; }
td small { opacity: .65; }
)";

const Measure* MeasureOf(Estimate Row::*value) {
  for (const Measure& measure : Measures()) {
    if (measure.value == value) return &measure;
  }
  return nullptr;
}

bool Measured(const std::vector<Row>& rows, Estimate Row::*value) {
  return std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
    return (row.*value).measured() && row.ttft_ms.measured();
  });
}

void AddOnce(const std::string& name, std::vector<std::string>* names) {
  if (std::find(names->begin(), names->end(), name) == names->end()) names->push_back(name);
}

// The measures a data set is drawn by: one of answers, one of what the gold answer cost.
std::vector<const Measure*> DrawnMeasures(const std::vector<Row>& rows) {
  const std::vector<std::vector<Estimate Row::*>> choices = {
      {&Row::f1, &Row::rouge_l, &Row::subspan_em, &Row::em}, {&Row::recovered, &Row::gold_loss}};
  std::vector<const Measure*> drawn;
  for (const auto& choice : choices) {
    for (Estimate Row::*value : choice) {
      if (!Measured(rows, value)) continue;
      drawn.push_back(MeasureOf(value));
      break;
    }
  }
  return drawn;
}

// A chart of a measure, still without its points.
chart::Plot ChartOf(const Measure& measure, const std::string& dataset, const std::string& what) {
  chart::Plot plot;
  plot.title = dataset + ": " + measure.head + " " + what;
  plot.y_label = std::string(measure.head) + (measure.lower_is_better ? ", lower is better" : "");
  plot.width_px = 700;
  plot.height_px = 430;
  return plot;
}

// rows: one data set's. methods: all of the report's, so that each has one colour throughout.
std::string TimeChart(const std::string& dataset, const std::vector<Row>& rows,
                      const Measure& measure, const std::vector<std::string>& methods) {
  chart::Plot plot = ChartOf(measure, dataset, "against time to first token");
  plot.x_label = "time to first token, ms (log)";
  plot.log_x = true;
  std::vector<double> x, y;
  for (const Row& row : rows) {
    const Estimate& value = row.*measure.value;
    chart::PlotSeries series;
    series.line = false;
    series.markers = true;
    const auto method = std::find(methods.begin(), methods.end(), row.method);
    series.colour = static_cast<int>(method - methods.begin());
    chart::PlotPoint point;
    point.label = row.method;
    point.x = row.ttft_ms.value;
    point.x_low = row.ttft_ms.low;
    point.x_high = row.ttft_ms.high;
    point.y = value.value * measure.scale;
    point.y_low = value.low * measure.scale;
    point.y_high = value.high * measure.scale;
    x.push_back(point.x);
    y.push_back(point.y);
    series.points.push_back(std::move(point));
    plot.series.push_back(std::move(series));
  }
  chart::PlotSeries frontier;
  frontier.muted = true;
  frontier.name = "Pareto frontier: nothing else is faster and better";
  for (const size_t i : ParetoFrontier(x, y, measure.lower_is_better)) {
    chart::PlotPoint point;
    point.x = x[i];
    point.y = y[i];
    frontier.points.push_back(point);
  }
  if (frontier.points.size() > 1) plot.series.push_back(std::move(frontier));
  return chart::PlotSvg(plot);
}

// How a method answers by where the document with the answer stands; as TimeChart.
std::string PositionsChart(const std::string& dataset, const std::vector<Row>& rows,
                           const Measure& measure, const std::vector<std::string>& methods) {
  chart::Plot plot = ChartOf(measure, dataset, "by the position of the document with the answer");
  plot.x_label = "documents before it";
  for (size_t m = 0; m < methods.size(); ++m) {
    chart::PlotSeries series;
    series.name = methods[m];
    series.markers = true;
    series.colour = static_cast<int>(m);
    for (const Row& row : rows) {
      if (row.method != methods[m]) continue;
      chart::PlotPoint point;
      point.x = row.gold_position;
      point.y = (row.*measure.value).value * measure.scale;
      series.points.push_back(point);
    }
    if (!series.points.empty()) plot.series.push_back(std::move(series));
  }
  return chart::PlotSvg(plot);
}

// Each data set's rows, drawn by each of its measures.
void AppendCharts(const std::vector<Row>& rows, const std::vector<std::string>& datasets,
                  const std::vector<std::string>& methods, decltype(&TimeChart) chart,
                  std::string* out) {
  *out += "<div class=\"charts\">\n";
  for (const std::string& dataset : datasets) {
    std::vector<Row> of_dataset;
    for (const Row& row : rows) {
      if (row.dataset == dataset) of_dataset.push_back(row);
    }
    for (const Measure* measure : DrawnMeasures(of_dataset)) {
      *out += chart(dataset, of_dataset, *measure, methods);
    }
  }
  *out += "</div>\n";
}

// An interval in smaller print than its value.
std::string Cell(const std::string& text) {
  const size_t bracket = text.find(" [");
  if (bracket == std::string::npos) return chart::EscapeXml(text);
  return chart::EscapeXml(text.substr(0, bracket)) + " <small>" +
         chart::EscapeXml(text.substr(bracket + 1)) + "</small>";
}

void AppendTable(const Table& table, std::string* out) {
  const auto kind = [&](size_t column) { return table.is_text[column] ? " class=\"text\"" : ""; };
  *out += "<div class=\"scroll\"><table>\n<thead><tr>";
  for (size_t c = 0; c < table.heads.size(); ++c) {
    *out += std::string("<th") + kind(c) + ">" + chart::EscapeXml(table.heads[c]) + "</th>";
  }
  *out += "</tr></thead>\n<tbody>\n";
  for (size_t r = 0; r < table.cells.size(); ++r) {
    *out += table.rule_before[r] && r > 0 ? "<tr class=\"rule\">" : "<tr>";
    for (size_t c = 0; c < table.cells[r].size(); ++c) {
      const std::string& text = table.cells[r][c];
      const std::string shown = table.is_text[c] ? chart::EscapeXml(text) : Cell(text);
      *out += std::string("<td") + kind(c) + ">" + shown + "</td>";
    }
    *out += "</tr>\n";
  }
  *out += "</tbody></table></div>\n";
}

}  // namespace

std::string ReportHtml(const Report& report) {
  const std::string title = chart::EscapeXml(report.title.empty() ? "kvlink eval" : report.title);
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>";
  out += title + "</title>\n<style>" + kStyle + "</style></head>\n<body>\n<h1>" + title + "</h1>\n";
  if (!report.notes.empty()) {
    out += "<ul class=\"notes\">\n";
    for (const std::string& note : report.notes) out += "<li>" + chart::EscapeXml(note) + "</li>\n";
    out += "</ul>\n";
  }
  const std::vector<Row> rows = RowsWithMeans(report);
  out +=
      "<h2>Quality against time</h2>\n<p>Left and up is better"
      " (down, where a loss is drawn). Bars: 95 % intervals.</p>\n";
  std::vector<std::string> datasets, methods;
  for (const Row& row : rows) {
    AddOnce(row.dataset, &datasets);
    AddOnce(row.method, &methods);
  }
  // The mean first: it is what most readers came for.
  std::stable_partition(datasets.begin(), datasets.end(),
                        [](const std::string& name) { return name.starts_with("mean"); });
  AppendCharts(rows, datasets, methods, TimeChart, &out);
  out += "<h2>Numbers</h2>\n";
  AppendTable(RowsTable(rows, true), &out);
  if (!report.positions.empty()) {
    out += "<h2>By the position of the document with the answer</h2>\n";
    AppendCharts(report.positions, datasets, methods, PositionsChart, &out);
    out += "<details><summary>All numbers by position, from 0</summary>\n";
    AppendTable(RowsTable(report.positions, true), &out);
    out += "</details>\n";
  }
  if (!report.differences.empty()) {
    out += "<h2>Paired differences, the same examples</h2>\n";
    const std::vector<Difference> main = MainDifferences(report.differences);
    if (!main.empty()) AppendTable(DifferencesTable(main), &out);
    out += "<details><summary>All differences</summary>\n";
    AppendTable(DifferencesTable(report.differences), &out);
    out += "</details>\n";
  }
  out += "<p>[low, high]: 95 % intervals by the bootstrap over examples.</p>\n<ul>\n";
  for (const Measure& measure : Measures()) {
    const bool shown = std::any_of(rows.begin(), rows.end(),
                                   [&](const Row& row) { return (row.*measure.value).measured(); });
    if (shown) {
      out += "<li>" + chart::EscapeXml(measure.head) + ": " + chart::EscapeXml(measure.what) +
             "</li>\n";
    }
  }
  return out + "</ul>\n</body></html>\n";
}

}  // namespace kvlink::eval

// The tables of a report as cells of text, which report.cc and report_html.cc lay out. Pure.
#pragma once

#include <string>
#include <vector>

#include "eval/report.h"

namespace kvlink::eval {

struct Table {
  std::vector<std::string> heads;
  std::vector<bool> is_text;                    // a column aligned to the left
  std::vector<std::vector<std::string>> cells;  // [row][column]
  std::vector<bool> rule_before;                // [row] a new group begins
};

// A measure that rows hold.
struct Measure {
  const char* name;  // in JSON and in Difference::metric
  const char* head;
  const char* what;  // in a sentence
  Estimate Row::*value;
  double scale;  // shares are shown in percent
  int decimals;
  bool lower_is_better;
  bool interval;  // shown in every table
};
const std::vector<Measure>& Measures();

// "41.3", "41.3 [36.0, 46.5]", or a dash.
std::string EstimateText(const Estimate& estimate, double scale, int decimals, bool sign = false);

// The rows, then those of MeanRows.
std::vector<Row> RowsWithMeans(const Report& report);

// all_intervals: also those of measures that a line of a terminal has no room for.
Table RowsTable(const std::vector<Row>& rows, bool all_intervals);

// Those that most readers look for: gold loss and F1 (of summaries ROUGE-L) against "link".
std::vector<Difference> MainDifferences(const std::vector<Difference>& differences);
Table DifferencesTable(const std::vector<Difference>& differences);

}  // namespace kvlink::eval

// What an evaluation found, as a table for a terminal and as one HTML file with charts of quality
// against time. Pure. Not here: running the methods, metrics (metrics.h, rouge.h), intervals
// (bootstrap.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/bootstrap.h"

namespace kvlink::eval {

// One method on one data set. What was not measured is left as it is, and shown as a dash.
struct Row {
  std::string dataset;
  std::string method;
  int32_t gold_position = -1;  // of all examples; -1: they are not told apart by it
  int64_t n = 0;               // examples
  Estimate subspan_em;         // shares, 0..1
  Estimate em;
  Estimate f1;
  Estimate rouge_l;
  Estimate gold_loss;  // nats a token of the gold answer; lower is better
  Estimate
      recovered;  // share of what documents are worth that the method keeps: 1 is full attention
  Estimate answer_tokens;    // generated, mean
  Estimate computed_tokens;  // prompt tokens computed at question time, mean
  Estimate ttft_ms;          // time to first token
};

// method - baseline on the same examples.
struct Difference {
  std::string dataset;
  std::string metric;  // a field of Row: "f1"
  std::string method;
  std::string baseline;
  int64_t n = 0;
  Estimate value;
};

struct Report {
  std::string title;
  std::vector<std::string> notes;  // model, machine, seed, command: a line each
  std::vector<Row> rows;           // in the order they are shown; one data set's rows together
  std::vector<Row> positions;      // where gold documents were moved: rows by data set and position
  std::vector<Difference> differences;
};

// A row of each method that has a row in every data set, where there is more than one: the plain
// mean over data sets of what all of them measured. Answers and summaries have other measures, so
// where a report holds both, each gets means of its own, "mean of answers" and "mean of summaries";
// else they are called "mean". Intervals are of independent data sets: distances from the value to
// low and to high, each added in squares.
std::vector<Row> MeanRows(const std::vector<Row>& rows);

// Indices of the points that no other beats: none is as fast and better, or as good and faster.
// Ordered by x. Where lower_is_better, a lower y is better. Points that are not numbers are out.
std::vector<size_t> ParetoFrontier(const std::vector<double>& x, const std::vector<double>& y,
                                   bool lower_is_better);

// Aligned columns; only those that some row measured; then rows by position, if there are. Of the
// differences, gold loss and F1 (of summaries ROUGE-L) against "link". Ends with a newline.
std::string ReportText(const Report& report);

// One self-contained file: no scripts, nothing fetched.
std::string ReportHtml(const Report& report);

}  // namespace kvlink::eval

// Reports: the table to the letter, means, frontiers, and HTML that fetches and runs nothing.
#include "eval/report.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace kvlink::eval {
namespace {

Row MakeRow(const std::string& dataset, const std::string& method, double f1, double ttft_ms) {
  Row row;
  row.dataset = dataset;
  row.method = method;
  row.n = 100;
  row.f1 = {f1, f1 - 0.03, f1 + 0.04};
  row.ttft_ms = {ttft_ms, ttft_ms * 0.9, ttft_ms * 1.1};
  row.computed_tokens = Estimate(ttft_ms * 2);
  return row;
}

Report Example() {
  Report report;
  report.title = "Two data sets";
  report.notes = {"seed 1"};
  report.rows = {MakeRow("nq", "full attention", 0.41, 1000), MakeRow("nq", "linked", 0.38, 100),
                 MakeRow("squad", "full attention", 0.61, 2000)};
  report.rows.push_back(MakeRow("squad", "linked", 0.58, 120));
  report.differences = {{"nq", "f1", "reuse", "link", 100, {-0.03, -0.05, 0.0}},
                        {"nq", "gold_loss", "reuse", "link", 100, {0.25, 0.125, 0.375}},
                        {"nq", "em", "reuse", "link", 100, {0.5, 0.5, 0.5}},
                        {"nq", "f1", "reuse", "full", 100, {0.75, 0.75, 0.75}}};
  return report;
}

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Report, TextToTheLetter) {
  EXPECT_EQ(ReportText(Example()), R"(Two data sets
  seed 1

dataset  method            n               F1 %  computed tok  TTFT ms
----------------------------------------------------------------------
nq       full attention  100  41.0 [38.0, 45.0]          2000   1000.0
nq       linked          100  38.0 [35.0, 42.0]           200    100.0
----------------------------------------------------------------------
squad    full attention  100  61.0 [58.0, 65.0]          4000   2000.0
squad    linked          100  58.0 [55.0, 62.0]           240    120.0
----------------------------------------------------------------------
mean     full attention  200  51.0 [48.9, 53.8]          3000   1500.0
mean     linked          200  48.0 [45.9, 50.8]           220    110.0

Paired differences, the same examples
dataset  difference      n               F1 %                gold loss
----------------------------------------------------------------------
nq       reuse − link  100  -3.0 [-5.0, +0.0]  +0.250 [+0.125, +0.375]

[low, high]: 95 % intervals by the bootstrap over examples
)");
}

TEST(Report, WhatWasNotMeasuredIsADash) {
  Report report = Example();
  report.rows[1].f1 = Estimate();
  const std::string text = ReportText(report);
  EXPECT_EQ(Count(text, "\u2013"), 2);  // there, and in the mean
  EXPECT_EQ(Count(text, "nan"), 0);
  EXPECT_EQ(Count(text, "ROUGE"), 0);  // a column that nobody measured
}

TEST(Report, MeansAreOfWhatAllDataSetsMeasured) {
  const std::vector<Row> rows = {MakeRow("a", "x", 0.2, 10), MakeRow("b", "x", 0.4, 30),
                                 MakeRow("a", "only here", 0.9, 5)};
  const std::vector<Row> means = MeanRows(rows);
  ASSERT_EQ(means.size(), 1u);
  EXPECT_EQ(means[0].dataset, "mean");
  EXPECT_EQ(means[0].n, 200);
  EXPECT_NEAR(means[0].f1.value, 0.3, 1e-12);
  // Two distances of 0.03: sqrt(2 * 0.03^2) / 2.
  EXPECT_NEAR(means[0].f1.low, 0.3 - 0.03 / std::sqrt(2), 1e-12);
  EXPECT_NEAR(means[0].f1.high, 0.3 + 0.04 / std::sqrt(2), 1e-12);
  EXPECT_NEAR(means[0].ttft_ms.value, 20, 1e-12);
  EXPECT_TRUE(MeanRows({MakeRow("a", "x", 0.2, 10)}).empty());
}

TEST(Report, SummariesHaveMeansOfTheirOwn) {
  std::vector<Row> rows = Example().rows;
  for (const char* dataset : {"samsum", "multinews"}) {
    Row row = MakeRow(dataset, "linked", 0, 50);
    row.f1 = Estimate();
    row.rouge_l = Estimate(0.3);
    rows.push_back(row);
  }
  const std::vector<Row> means = MeanRows(rows);
  ASSERT_EQ(means.size(), 3u);
  EXPECT_EQ(means[0].dataset, "mean of answers");
  EXPECT_NEAR(means[1].f1.value, 0.48, 1e-12);
  EXPECT_EQ(means[2].dataset, "mean of summaries");
  EXPECT_NEAR(means[2].rouge_l.value, 0.3, 1e-12);
  EXPECT_FALSE(means[2].rouge_l.has_interval());
  EXPECT_FALSE(means[2].f1.measured());
}

TEST(Report, Frontier) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  using Indices = std::vector<size_t>;
  EXPECT_EQ(ParetoFrontier({3, 1, 2, 4}, {30, 10, 5, 30}, false), (Indices{1, 0}));
  EXPECT_EQ(ParetoFrontier({3, 1, 2, 4}, {30, 10, 5, 30}, true), (Indices{1, 2}));
  EXPECT_EQ(ParetoFrontier({1, 1, nan, 2}, {1, 2, 9, nan}, false), (Indices{1}));
  EXPECT_EQ(ParetoFrontier({1, 1}, {2, 2}, false), (Indices{0, 1}));  // twins beat nobody
  EXPECT_EQ(ParetoFrontier({}, {}, false), Indices{});
}

// By the definition: a point is out if another is at least as good in both and better in one.
RC_GTEST_PROP(Report, FrontierIsWhatNothingBeats, (bool lower)) {
  const auto coordinates = rc::gen::container<std::vector<double>>(
      8, rc::gen::map(rc::gen::inRange(0, 5), [](int i) { return static_cast<double>(i); }));
  const std::vector<double> x = *coordinates, y = *coordinates;
  std::vector<bool> on(x.size());
  for (const size_t i : ParetoFrontier(x, y, lower)) on[i] = true;
  for (size_t i = 0; i < x.size(); ++i) {
    bool beaten = false;
    for (size_t j = 0; j < x.size(); ++j) {
      const double gain = lower ? y[i] - y[j] : y[j] - y[i];
      beaten |= x[j] <= x[i] && gain >= 0 && (x[j] < x[i] || gain > 0);
    }
    RC_ASSERT(on[i] == !beaten);
  }
}

TEST(Report, HtmlStandsAlone) {
  Report report = Example();
  report.title = "<script>alert(1)</script>";
  report.rows[0].method = report.rows[2].method = "full & \"exact\"";
  for (Row& row : report.rows) row.gold_loss = {2.4, 2.3, 2.5};
  const std::string html = ReportHtml(report);
  EXPECT_TRUE(html.starts_with("<!doctype html>"));
  EXPECT_EQ(Count(html, "<script"), 0);
  EXPECT_EQ(Count(html, "href"), 0);
  EXPECT_EQ(Count(html, "src="), 0);
  EXPECT_EQ(Count(html, "http"), Count(html, "http://www.w3.org/2000/svg"));
  EXPECT_EQ(Count(html, "<svg"), 6);  // two data sets and the mean: F1 and gold loss
  EXPECT_EQ(Count(html, "</svg>"), 6);
  EXPECT_EQ(Count(html, "nan"), 0);
  // In each chart, and in each row of the table.
  EXPECT_EQ(Count(html, ">full &amp; &quot;exact&quot;<"), 6 + 3);
  EXPECT_EQ(Count(html, "41.0 <small>[38.0, 45.0]</small>"), 1);
  EXPECT_GT(html.find("nq: F1 %"), html.find("mean: F1 %"));  // the mean comes first
  EXPECT_EQ(Count(html, "<table>"), 3);  // rows, the main differences, all of them
  EXPECT_EQ(Count(html, "+50.0 <small>"), 1);
}

TEST(Report, NothingMeasured) {
  EXPECT_EQ(Count(ReportHtml({}), "<svg"), 0);
  EXPECT_NE(ReportText({}).find("dataset  method  n"), std::string::npos);
}

}  // namespace
}  // namespace kvlink::eval

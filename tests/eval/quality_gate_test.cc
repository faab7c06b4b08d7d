// What passes the gate and what falls short, decided on hand-made reports.
#include "eval/quality_gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kvlink::eval {
namespace {

Row MakeRow(const std::string& dataset, const std::string& method, double loss, double f1) {
  Row row;
  row.dataset = dataset;
  row.method = method;
  row.n = 50;
  row.gold_loss = Estimate(loss);
  row.f1 = Estimate(f1);
  return row;
}

// Documents are worth two nats; links recover `recovered` of them and answer with `f1`.
void AddSet(Report* report, const std::string& dataset, double recovered, double f1) {
  report->rows.push_back(MakeRow(dataset, "none", 3, 0.1));
  report->rows.push_back(MakeRow(dataset, "full", 1.2, 0.5));
  report->rows.push_back(MakeRow(dataset, "full+adapter", 1, 0.4));
  report->rows.push_back(MakeRow(dataset, "link", 3 - 2 * recovered, f1));
  report->rows.back().recovered = {recovered, recovered - 0.02, recovered + 0.02};
}

GateVerdict Judge(double recovered, double f1) {
  Report report;
  AddSet(&report, "gate", recovered, f1);
  return JudgeGate(report);
}

TEST(QualityGate, AsksForTheShareOfLossAndOfF1) {
  EXPECT_TRUE(Judge(0.96, 0.5).passed);
  EXPECT_TRUE(Judge(0.96, 0.476).passed);
  EXPECT_TRUE(Judge(0.96, 0.476).shortfall.empty());
  const GateVerdict loss = Judge(0.94, 0.5);
  EXPECT_FALSE(loss.passed);
  EXPECT_EQ(loss.shortfall, "gate: recovers 0.9400 of what documents are worth, 0.95 is asked");
  // The better of full attention's scores counts, which here is the one without the adapter.
  const GateVerdict f1 = Judge(0.96, 0.474);
  EXPECT_FALSE(f1.passed);
  EXPECT_EQ(f1.shortfall, "gate: F1 0.474, and 0.95 of full attention's 0.500 is asked");
  EXPECT_NE(f1.summary.find("0.940 to 0.980"), std::string::npos) << f1.summary;
}

TEST(QualityGate, SaysWhatPassed) {
  Report report;
  AddSet(&report, "gate", 1.0, 0.5);
  for (Row& row : report.rows) row.em = Estimate(row.method == "link" ? 0.385 : 0.41);
  const GateVerdict verdict = JudgeGate(report);
  EXPECT_TRUE(verdict.passed);
  EXPECT_NE(verdict.summary.find("38 % exact matches (full attention 41 %), 50 questions"),
            std::string::npos)
      << verdict.summary;
  EXPECT_EQ(QuestionsOf(verdict.figures), 50);
  EXPECT_EQ(QuestionsOf("{}"), 0);
  EXPECT_EQ(QuestionsOf("not JSON"), 0);
}

TEST(QualityGate, ASampleIsEven) {
  std::vector<data::Example> examples(130);
  for (size_t i = 0; i < examples.size(); ++i) {
    examples[i].dataset = i < 120 ? "gate" : "own few";
    examples[i].id = std::to_string(i);
  }
  const std::vector<data::Example> sample = EvenSample(examples, 30);
  ASSERT_EQ(sample.size(), 40u);
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(sample[i].id, std::to_string(4 * i));
  for (size_t i = 30; i < 40; ++i) EXPECT_EQ(sample[i].dataset, "own few");
  for (const int64_t n : {1, 7, 119, 120, 500}) {
    const auto kept = EvenSample({examples.begin(), examples.begin() + 120}, n);
    ASSERT_EQ(kept.size(), static_cast<size_t>(std::min<int64_t>(n, 120)));
    EXPECT_EQ(kept[0].id, "0");
  }
}

TEST(QualityGate, EverySetHasToPass) {
  Report report;
  AddSet(&report, "gate", 1.0, 0.5);
  AddSet(&report, "own notes", 0.9, 0.5);
  const GateVerdict verdict = JudgeGate(report);
  EXPECT_FALSE(verdict.passed);
  EXPECT_TRUE(verdict.shortfall.starts_with("own notes: ")) << verdict.shortfall;
  const auto figures = nlohmann::json::parse(verdict.figures);
  ASSERT_EQ(figures["sets"].size(), 2u);
  EXPECT_TRUE(figures["sets"][0]["passed"]);
  EXPECT_FALSE(figures["sets"][1]["passed"]);
}

TEST(QualityGate, WithoutAnAdapterFullAttentionIsTheMeasure) {
  Report report;
  report.rows = {MakeRow("gate", "none", 3, 0.1), MakeRow("gate", "full", 1, 0.5),
                 MakeRow("gate", "link", 1, 0.5)};
  report.rows.back().recovered = {1, 1, 1};
  const GateVerdict verdict = JudgeGate(report);
  EXPECT_TRUE(verdict.passed) << verdict.shortfall;
  EXPECT_TRUE(
      nlohmann::json::parse(verdict.figures)["sets"][0]["gold_loss"]["full+adapter"].is_null());
}

TEST(QualityGate, WhereDocumentsDoNotHelpNothingIsPassed) {
  Report report;
  report.rows = {MakeRow("gate", "none", 1, 0), MakeRow("gate", "full", 2, 0),
                 MakeRow("gate", "link", 3, 0)};
  report.rows.back().recovered = {2, 2, 2};  // two negative differences
  const GateVerdict verdict = JudgeGate(report);
  EXPECT_FALSE(verdict.passed);
  EXPECT_NE(verdict.shortfall.find("documents do not help"), std::string::npos);
  EXPECT_FALSE(JudgeGate(Report()).passed);
}

TEST(QualityGate, WithoutAnIntervalNothingIsPassed) {
  Report report;
  AddSet(&report, "gate", 0.97, 0.5);
  report.rows.back().recovered = Estimate(0.97);
  const GateVerdict verdict = JudgeGate(report);
  EXPECT_FALSE(verdict.passed);
  EXPECT_TRUE(verdict.shortfall.starts_with("gate: documents help too few of its questions"))
      << verdict.shortfall;
  EXPECT_EQ(verdict.summary.find("nan"), std::string::npos) << verdict.summary;
  report.rows.back().recovered = Estimate();
  EXPECT_FALSE(JudgeGate(report).passed);
}

TEST(QualityGate, WhereFullAttentionScoresNothingNothingIsPassed) {
  Report report;
  AddSet(&report, "gate", 0.97, 0);
  for (Row& row : report.rows) row.f1 = Estimate(0);
  const GateVerdict verdict = JudgeGate(report);
  EXPECT_FALSE(verdict.passed);
  EXPECT_EQ(verdict.shortfall,
            "gate: full attention's F1 is 0, so that no answers can be compared with it");
}

TEST(QualityGate, FewQuestionsPassNothing) {
  Report report;
  AddSet(&report, "gate", 1, 0.5);
  AddSet(&report, "own notes", 1, 0.5);
  for (Row& row : report.rows) row.n = row.dataset == "gate" ? 30 : 29;
  GateVerdict verdict = JudgeGate(report);
  EXPECT_FALSE(verdict.passed);
  EXPECT_EQ(verdict.too_few, "own notes: 29 questions, and at least 30 are asked");
  EXPECT_EQ(verdict.shortfall, verdict.too_few);
  for (Row& row : report.rows) row.n = 30;
  verdict = JudgeGate(report);
  EXPECT_TRUE(verdict.passed) << verdict.shortfall;
  EXPECT_EQ(verdict.too_few, "");
}

TEST(QualityGate, OwnExamplesMustBeQuestionsOverDocuments) {
  data::Example example;
  example.id = "x";
  example.dataset = "notes";
  example.question = "who?";
  example.answers = {"Ida"};
  const auto measured = MeasureGate({}, {example}, {});
  ASSERT_FALSE(measured.ok());
  EXPECT_EQ(measured.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(measured.status().message().find("example x of notes: it has no documents"),
            std::string::npos);
}

}  // namespace
}  // namespace kvlink::eval

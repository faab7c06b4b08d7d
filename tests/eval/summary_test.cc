// From predictions to rows: means, medians, the recovered share's arithmetic by hand, and what is
// left unmeasured instead of being divided by nothing.
#include "eval/summary.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvlink::eval {
namespace {

Prediction Make(const std::string& id, const std::string& method, double gold_loss,
                double f1 = 0.5) {
  Prediction p;
  p.id = id;
  p.dataset = "set";
  p.method = method;
  p.gold_loss = gold_loss;
  p.scores = {1, 0, f1, {}};
  p.answer_tokens = 4;
  p.computed_tokens = 10;
  p.ttft_ms = 5;
  return p;
}

// The losses of questions 0, 1, ... by one method.
void Add(const std::string& method, const std::vector<double>& losses,
         std::vector<Prediction>* predictions) {
  for (size_t i = 0; i < losses.size(); ++i) {
    predictions->push_back(Make(std::to_string(i), method, losses[i]));
  }
}

const Row& RowOf(const Report& report, const std::string& method) {
  for (const Row& row : report.rows) {
    if (row.method == method) return row;
  }
  ADD_FAILURE() << "no row of " << method;
  static const Row none;
  return none;
}

TEST(Summary, RecoveredShareByHand) {
  std::vector<Prediction> predictions;
  Add("none", {4, 5, 6}, &predictions);         // mean 5
  Add("full", {2, 3, 4}, &predictions);         // mean 3: documents are worth 2
  Add("link", {2.5, 3.5, 4.5}, &predictions);   // mean 3.5: keeps 1.5 of 2
  Add("naive", {4.5, 5.5, 6.5}, &predictions);  // worse than no documents: -0.5 of 2
  const Report report = Summarise(predictions, {"none", "full", "link", "naive"}, 1);
  ASSERT_EQ(report.rows.size(), 4u);
  EXPECT_DOUBLE_EQ(RowOf(report, "none").recovered.value, 0);
  EXPECT_DOUBLE_EQ(RowOf(report, "full").recovered.value, 1);
  EXPECT_DOUBLE_EQ(RowOf(report, "link").recovered.value, 0.75);
  EXPECT_DOUBLE_EQ(RowOf(report, "naive").recovered.value, -0.25);
  // Each question alone says the same, so that every draw of questions does.
  EXPECT_DOUBLE_EQ(RowOf(report, "link").recovered.low, 0.75);
  EXPECT_DOUBLE_EQ(RowOf(report, "link").recovered.high, 0.75);
  EXPECT_DOUBLE_EQ(RowOf(report, "link").gold_loss.value, 3.5);
}

TEST(Summary, TheShareIsOfFullAttentionWithTheAdapterWhereItWasAsked) {
  std::vector<Prediction> predictions;
  Add("none", {5, 5}, &predictions);
  Add("full", {4, 4}, &predictions);
  Add("full+adapter", {1, 1}, &predictions);
  Add("link", {2, 2}, &predictions);
  const Report with = Summarise(predictions, {"none", "full", "full+adapter", "link"}, 1);
  EXPECT_DOUBLE_EQ(RowOf(with, "link").recovered.value, 0.75);
  EXPECT_DOUBLE_EQ(RowOf(with, "full").recovered.value, 0.25);
  // Predictions of methods that are not asked for now don't count.
  const Report without = Summarise(predictions, {"none", "full", "link"}, 1);
  EXPECT_EQ(without.rows.size(), 3u);
  EXPECT_DOUBLE_EQ(RowOf(without, "link").recovered.value, 3);
}

TEST(Summary, NoShareWithoutBothEnds) {
  std::vector<Prediction> predictions;
  Add("none", {5, 5}, &predictions);
  Add("full", {4, 4}, &predictions);
  Add("link", {2, 2}, &predictions);
  for (const std::vector<std::string>& methods :
       {std::vector<std::string>{"none", "link"}, {"full", "link"}, {"link"}}) {
    EXPECT_FALSE(RowOf(Summarise(predictions, methods, 1), "link").recovered.measured());
  }
}

TEST(Summary, DocumentsThatAreWorthNothingHaveNoShares) {
  for (const double full : {5.0, 6.0}) {  // as bad as none, and worse
    std::vector<Prediction> predictions;
    Add("none", {5, 5}, &predictions);
    Add("full", {full, full}, &predictions);
    Add("link", {4, 4}, &predictions);
    const Report report = Summarise(predictions, {"none", "full", "link"}, 1);
    for (const Row& row : report.rows) {
      EXPECT_FALSE(row.recovered.measured()) << row.method;
      EXPECT_FALSE(row.recovered.has_interval()) << row.method;
    }
    EXPECT_EQ(ReportText(report).find("recovered"), std::string::npos);
    EXPECT_EQ(ReportText(report).find("nan"), std::string::npos);
  }
}

// Worth 1 on the mean of these, but less than nothing on half of the questions.
TEST(Summary, DocumentsThatMayBeWorthNothingGiveNoInterval) {
  std::vector<Prediction> predictions;
  Add("none", {5, 5}, &predictions);
  Add("full", {6, 2}, &predictions);
  Add("link", {6, 3}, &predictions);
  const Estimate share =
      RowOf(Summarise(predictions, {"none", "full", "link"}, 1), "link").recovered;
  EXPECT_DOUBLE_EQ(share.value, 0.5);
  EXPECT_FALSE(share.has_interval());
}

TEST(Summary, OnlyQuestionsThatEveryMethodAnsweredCount) {
  std::vector<Prediction> predictions;
  Add("full", {1, 2, 9}, &predictions);
  Add("link", {2, 4}, &predictions);  // the run was stopped here
  const Report report = Summarise(predictions, {"full", "link"}, 1);
  EXPECT_EQ(RowOf(report, "full").n, 2);
  EXPECT_DOUBLE_EQ(RowOf(report, "full").gold_loss.value, 1.5);
  EXPECT_DOUBLE_EQ(RowOf(report, "link").gold_loss.value, 3);
  EXPECT_TRUE(Summarise(predictions, {"full", "link", "reuse"}, 1).rows.empty());
}

TEST(Summary, DifferencesArePaired) {
  std::vector<Prediction> predictions;
  Add("link", {1, 10, 100}, &predictions);
  Add("reuse", {1.5, 10.5, 100.5}, &predictions);
  const Report report = Summarise(predictions, {"link", "reuse"}, 1);
  int losses = 0;
  for (const Difference& d : report.differences) {
    EXPECT_EQ(d.baseline, "link");
    EXPECT_EQ(d.method, "reuse");
    EXPECT_EQ(d.n, 3);
    if (d.metric != "gold_loss") continue;
    ++losses;
    EXPECT_DOUBLE_EQ(d.value.value, 0.5);
    EXPECT_DOUBLE_EQ(d.value.low, 0.5);  // that questions are hard cancels
    EXPECT_DOUBLE_EQ(d.value.high, 0.5);
  }
  EXPECT_EQ(losses, 1);
}

TEST(Summary, TimeIsAMedianAndTokensAreMeans) {
  std::vector<Prediction> predictions;
  for (const double ms : {3.0, 1000.0, 4.0}) {
    Prediction p = Make(std::to_string(ms), "link", 1);
    p.ttft_ms = ms;
    p.computed_tokens = static_cast<int64_t>(ms);
    predictions.push_back(p);
  }
  const Row row = Summarise(predictions, {"link"}, 1).rows.at(0);
  EXPECT_DOUBLE_EQ(row.ttft_ms.value, 4);
  EXPECT_DOUBLE_EQ(row.computed_tokens.value, 1007.0 / 3);
  EXPECT_DOUBLE_EQ(row.answer_tokens.value, 4);
}

TEST(Summary, DataSetsOfTheSameIdsStayApart) {
  std::vector<Prediction> predictions;
  for (const char* dataset : {"b", "a"}) {
    Prediction p = Make("0", "link", dataset[0] == 'b' ? 1 : 3);
    p.dataset = dataset;
    predictions.push_back(p);
  }
  const Report report = Summarise(predictions, {"link"}, 1);
  ASSERT_EQ(report.rows.size(), 2u);
  EXPECT_EQ(report.rows[0].dataset, "b");  // in the order of appearance
  EXPECT_DOUBLE_EQ(report.rows[0].gold_loss.value, 1);
  EXPECT_EQ(report.rows[1].n, 1);
  // One mean over both, once.
  const std::string text = ReportText(report);
  EXPECT_EQ(text.find("mean"), text.rfind("mean"));
  EXPECT_NE(text.find("mean"), std::string::npos);
}

TEST(Summary, PositionsOfAQuestionAreOneQuestion) {
  std::vector<Prediction> predictions;
  // c has three documents, and d no one document with its answer.
  const std::tuple<const char*, int32_t, double> losses[] = {{"a", 0, 1}, {"a", 1, 3}, {"b", 0, 5},
                                                             {"b", 1, 5}, {"c", 0, 7}, {"c", 1, 8},
                                                             {"c", 2, 9}, {"d", -1, 4}};
  for (const auto& [id, position, loss] : losses) {
    predictions.push_back(Make(id, "link", loss));
    predictions.back().gold_position = position;
  }
  const Report report = Summarise(predictions, {"link"}, 1);
  ASSERT_EQ(report.rows.size(), 1u);
  const Row& row = report.rows[0];
  EXPECT_EQ(row.n, 4);
  EXPECT_DOUBLE_EQ(row.gold_loss.value, (2 + 5 + 8 + 4) / 4.0);
  EXPECT_GE(row.gold_loss.low, 2);  // 1 is no question's mean
  ASSERT_EQ(report.positions.size(), 3u);
  const double means[] = {(1 + 5 + 7) / 3.0, (3 + 5 + 8) / 3.0, 9};
  for (int32_t position = 0; position < 3; ++position) {
    EXPECT_EQ(report.positions[position].gold_position, position);
    EXPECT_EQ(report.positions[position].n, position < 2 ? 3 : 1);
    EXPECT_DOUBLE_EQ(report.positions[position].gold_loss.value, means[position]);
  }
  EXPECT_NE(ReportText(report).find("gold at"), std::string::npos);
  EXPECT_NE(ReportHtml(report).find("by the position of the document"), std::string::npos);
  for (Prediction& p : predictions) p.gold_position = -1;
  EXPECT_TRUE(Summarise(predictions, {"link"}, 1).positions.empty());
}

// A score that one answer lacks (only the loss was asked for) is not a score of 0.
TEST(Summary, ScoresThatAnAnswerLacksAreNotMeasured) {
  std::vector<Prediction> predictions;
  Add("link", {1, 2}, &predictions);
  predictions[1].scores = {};
  const Row row = Summarise(predictions, {"link"}, 1).rows.at(0);
  EXPECT_FALSE(row.f1.measured());
  EXPECT_TRUE(row.gold_loss.measured());
}

}  // namespace
}  // namespace kvlink::eval

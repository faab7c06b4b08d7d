// The loss against plain loops in double, and what distillation must do: follow the teacher, and
// the teacher only.
#include "train/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/link_learner.h"
#include "train/tiny_training.h"

namespace kvlink::train {
namespace {

using testing::TinyExample;
using testing::TinyTraining;

std::vector<double> LogSoftmax(const std::vector<double>& logits) {
  double sum = 0;
  for (const double x : logits) sum += std::exp(x);
  std::vector<double> out;
  for (const double x : logits) out.push_back(x - std::log(sum));
  return out;
}

TEST(Loss, EqualsItsFormula) {
  const std::vector<std::vector<double>> student = {{1, -2, 0.5}, {0, 3, 3}},
                                         teacher = {{2, 0, -1}, {-1, 0.25, 4}};
  const std::vector<int64_t> targets = {2, 1};
  double gold = 0, divergence = 0;
  for (int i = 0; i < 2; ++i) {
    const auto s = LogSoftmax(student[i]), t = LogSoftmax(teacher[i]);
    gold -= s[targets[i]];
    for (int v = 0; v < 3; ++v) divergence += std::exp(t[v]) * (t[v] - s[v]);
  }
  const at::Tensor s = torch::tensor({1.0f, -2.0f, 0.5f, 0.0f, 3.0f, 3.0f}).view({2, 3}),
                   t = torch::tensor({2.0f, 0.0f, -1.0f, -1.0f, 0.25f, 4.0f}).view({2, 3});
  for (const double weight : {0.0, 0.3, 1.0}) {
    const AnswerLoss loss = LossOfAnswers(s, torch::tensor(targets), t, weight);
    EXPECT_NEAR(loss.objective.item<double>(), (1 - weight) * gold + weight * divergence, 1e-5);
    EXPECT_NEAR(loss.gold, gold, 1e-5);
  }
}

TEST(Loss, TheTeacherGetsNoGradient) {
  at::Tensor s = at::randn({2, 3}), t = at::randn({2, 3});
  s.requires_grad_(true), t.requires_grad_(true);
  LossOfAnswers(s, torch::tensor({0, 1}, at::kLong), t, 0.5).objective.backward();
  EXPECT_TRUE(s.grad().defined());
  EXPECT_FALSE(t.grad().defined());
}

struct Distilling {
  explicit Distilling(double weight, TrainTeacher teacher, int documents) {
    options.k = 2;
    options.rank = 2;
    options.alpha = 3;
    options.distill = weight;
    options.teacher = teacher;
    training = std::make_unique<TinyTraining>(options);
    learner = *LinkLearner::Create(&training->model(), options, /*start=*/nullptr, at::kCPU);
    example = TinyExample(documents, 1);
    prompt = training->Prompt(example);
    prompt.teacher.push_back(*MakeTrainingPrompt(training->model(), example, /*full=*/true,
                                                 model::AdapterScope::kOutsideDocuments, Method(),
                                                 4096));
    EXPECT_EQ(prompt.teacher.at(0).targets, prompt.targets);
  }
  double GradientNorm() {
    learner->gradients().zero_();
    EXPECT_TRUE(learner->Pass({&prompt, 1}, /*gradient=*/true).ok());
    return learner->gradients().norm().item<double>();
  }

  TrainOptions options;
  std::unique_ptr<TinyTraining> training;
  std::unique_ptr<LinkLearner> learner;
  data::Example example;
  TrainingPrompt prompt;
};

// Without documents there is nothing to link: before training the student is its teacher, and
// pulls nowhere. The gold answer pulls.
TEST(Distillation, AStudentThatIsItsTeacherRests) {
  for (const TrainTeacher teacher : {TrainTeacher::kBase, TrainTeacher::kAdapter}) {
    EXPECT_LT(Distilling(1, teacher, 0).GradientNorm(), 1e-3);
    EXPECT_GT(Distilling(0.5, teacher, 0).GradientNorm(), 0.1);
    EXPECT_GT(Distilling(1, teacher, 3).GradientNorm(), 0.1);
  }
}

// Once there is an adapter, the two teachers differ: without documents that with the adapter is
// still the student itself.
TEST(Distillation, TheTeacherWithTheAdapterIsAnother) {
  for (const TrainTeacher teacher : {TrainTeacher::kBase, TrainTeacher::kAdapter}) {
    Distilling distilling(1, teacher, 0);
    {
      const at::NoGradGuard no_gradient;
      at::manual_seed(5);
      distilling.learner->values().copy_(0.15 * at::randn(distilling.learner->values().sizes()));
    }
    const double norm = distilling.GradientNorm();
    if (teacher == TrainTeacher::kBase) {
      EXPECT_GT(norm, 0.1);
    } else {
      EXPECT_LT(norm, 1e-3);
    }
  }
}

// The teacher reads the documents with full attention: its logits are those of a pass over a prompt
// rendered for that.
TEST(Distillation, StepsTowardsTheTeacherLowerTheDivergence) {
  Distilling distilling(1, TrainTeacher::kBase, 3);
  const PassInput input{
      .prompts = {&distilling.prompt.teacher[0]}, .blocks = {{}}, .adapter = false};
  at::Tensor teacher;
  {
    const at::NoGradGuard no_gradient;
    teacher = distilling.training->frozen().AnswerLogits(input, distilling.training->parameters());
  }
  const auto divergence = [&] {
    const at::NoGradGuard no_gradient;
    distilling.training->parameters().values().copy_(distilling.learner->values());
    const PassInput student = distilling.training->Input({&distilling.prompt, 1});
    return LossOfAnswers(distilling.training->frozen().AnswerLogits(
                             student, distilling.training->parameters()),
                         torch::tensor(std::vector<int64_t>(distilling.prompt.targets.begin(),
                                                            distilling.prompt.targets.end())),
                         teacher, 1)
        .objective.item<double>();
  };
  const double before = divergence();
  ASSERT_GT(before, 0.05);
  for (int step = 0; step < 60; ++step) {
    const double norm = distilling.GradientNorm();
    const at::NoGradGuard no_gradient;
    distilling.learner->values().sub_(0.03 / norm * distilling.learner->gradients());
  }
  EXPECT_LT(divergence(), 0.5 * before);
}

}  // namespace
}  // namespace kvlink::train

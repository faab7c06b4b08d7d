// Gradients against central differences of the loss, for link embeddings and for A and B at every
// projection: the functions of layer_functions.h and linked_attention.h have their gradients
// written by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "train/loss.h"
#include "train/tiny_training.h"

namespace kvlink::train {
namespace {

using testing::TinyExample;
using testing::TinySizes;
using testing::TinyTraining;

// The loss is some 100 nats with an error of about 1e-5 (f32 logits): over a step of 1e-2 along a
// direction of length 1 that is 1e-3 of a derivative. Four points, so that curvature is of fifth
// order in the step.
constexpr double kStep = 1e-2;
constexpr double kAbsolute = 1e-2;
constexpr double kRelative = 1e-2;

class Gradients {
 public:
  Gradients(TinyTraining* training, std::function<at::Tensor()> loss)
      : training_(training), loss_(std::move(loss)) {
    training_->parameters().gradients().zero_();
    loss_().backward();
    gradient_ = training_->parameters().gradients().clone();
  }

  // Along `direction` [P], which is brought to length 1.
  void ExpectDerivative(at::Tensor direction, const std::string& what) {
    const at::NoGradGuard no_gradient;
    direction = direction / direction.norm();
    at::Tensor& values = training_->parameters().values();
    const at::Tensor before = values.clone();
    const auto loss_at = [&](double step) {
      values.copy_(before + step * direction);
      return loss_().item<double>();
    };
    const double measured =
        (8 * (loss_at(kStep) - loss_at(-kStep)) - (loss_at(2 * kStep) - loss_at(-2 * kStep))) /
        (12 * kStep);
    values.copy_(before);
    const double computed = gradient_.dot(direction).item<double>();
    EXPECT_NEAR(computed, measured, kAbsolute + kRelative * std::abs(measured)) << what;
  }

  // A range of the flat vector: along its gradient, where an error of scale shows, and along random
  // directions, where any other shows.
  void ExpectRange(int64_t first, int64_t count, const std::string& what) {
    const at::Tensor part = gradient_.narrow(0, first, count);
    ASSERT_GT(part.norm().item<double>(), 0.05) << what << ": nothing reaches it";
    at::Tensor direction = at::zeros_like(gradient_);
    direction.narrow(0, first, count).copy_(part);
    ExpectDerivative(direction, what + " along its gradient");
    at::manual_seed(static_cast<uint64_t>(first) + 1);
    for (int i = 0; i < 3; ++i) {
      direction = at::zeros_like(gradient_);
      direction.narrow(0, first, count).copy_(at::randn({count}));
      ExpectDerivative(direction, what + " at random");
    }
  }

  // Where a leaf stands in the flat vector.
  int64_t OffsetOf(const at::Tensor& leaf) { return leaf.storage_offset(); }

 private:
  TinyTraining* training_;
  std::function<at::Tensor()> loss_;
  at::Tensor gradient_;  // [P]
};

void ExpectAllRanges(const TrainOptions& options, const testing::TinyModelOptions& sizes,
                     int documents = 3) {
  TinyTraining training(options, sizes);
  training.Randomize();
  const std::vector<TrainingPrompt> prompts = {training.Prompt(TinyExample(documents, 1)),
                                               training.Prompt(TinyExample(2, 2))};
  Gradients gradients(&training, [&] { return training.Loss(prompts); });
  Parameters& parameters = training.parameters();
  if (parameters.link_count() > 0) gradients.ExpectRange(0, parameters.link_count(), "links");
  if (!parameters.has_adapter()) return;
  for (int32_t layer = 0; layer < training.model().model().config().layers; ++layer) {
    for (const model::Projection projection : options.targets) {
      const TrainedLowRank& low = parameters.At(layer, projection);
      const std::string where = "layer " + std::to_string(layer) + " projection " +
                                std::to_string(static_cast<int>(projection));
      gradients.ExpectRange(gradients.OffsetOf(low.a), low.a.numel(), where + " A");
      gradients.ExpectRange(gradients.OffsetOf(low.b), low.b.numel(), where + " B");
    }
  }
}

TEST(Gradient, LinksAndAdapterAtEverySite) {
  TrainOptions options;
  options.k = 3;
  options.slots = 2;
  options.rank = 2;
  options.alpha = 3;
  ExpectAllRanges(options, TinySizes());
}

TEST(Gradient, WithoutLinkTokens) {
  TrainOptions options;
  options.k = 0;
  options.rank = 3;
  options.alpha = 2;
  options.targets = {model::Projection::kQ, model::Projection::kV,
                     model::Projection::kUp};  // projections beside others that have none
  ExpectAllRanges(options, TinySizes(/*tied=*/false));
}

TEST(Gradient, LinksOnly) {
  TrainOptions options;
  options.k = 2;
  options.rank = 0;
  ExpectAllRanges(options, TinySizes());
}

// Documents' keys are trained then, in ranges that begin behind the first tile of them.
TEST(Gradient, TheAdapterOnDocumentsToo) {
  TrainOptions options;
  options.scope = model::AdapterScope::kEverywhere;
  options.k = 1;
  options.rank = 2;
  options.alpha = 3;
  options.targets = {model::Projection::kK, model::Projection::kV, model::Projection::kDown};
  TinyTraining training(options);
  ASSERT_GT(training.Prompt(TinyExample(9, 1)).length, 2 * kKeyMultiple);
  ExpectAllRanges(options, TinySizes(), 9);
}

// Through tokens of documents too, whose keys and values depend on links and adapter before them.
TEST(Gradient, TokensComputedAgain) {
  TrainOptions options;
  options.methods = *ParseMethods("link+epic:2");  // a choice that no parameter moves
  options.k = 2;
  options.rank = 2;
  options.alpha = 3;
  options.targets = {model::Projection::kK, model::Projection::kV, model::Projection::kDown};
  ExpectAllRanges(options, TinySizes());
}

TEST(Gradient, Distillation) {
  TrainOptions options;
  options.k = 2;
  options.rank = 2;
  options.alpha = 3;
  options.targets = {model::Projection::kQ, model::Projection::kDown};
  TinyTraining training(options);
  training.Randomize();
  const TrainingPrompt prompt = training.Prompt(TinyExample(3));
  const at::Tensor targets =
      torch::tensor(std::vector<int64_t>(prompt.targets.begin(), prompt.targets.end()));
  at::manual_seed(2);
  const at::Tensor teacher =
      2 * at::randn({targets.numel(), training.model().model().config().vocab});
  Gradients gradients(&training, [&] {
    return LossOfAnswers(
               training.frozen().AnswerLogits(training.Input({&prompt, 1}), training.parameters()),
               targets, teacher, 0.6)
        .objective;
  });
  gradients.ExpectRange(0, training.parameters().link_count(), "links");
  for (const model::Projection projection : options.targets) {
    const TrainedLowRank& low = training.parameters().At(1, projection);
    gradients.ExpectRange(gradients.OffsetOf(low.a), low.a.numel(), "A");
    gradients.ExpectRange(gradients.OffsetOf(low.b), low.b.numel(), "B");
  }
}

TEST(Gradient, FullAttention) {
  TrainOptions options;
  options.attention = TrainAttention::kFull;
  options.rank = 2;
  options.alpha = 3;
  TinyTraining training(options);
  training.Randomize();
  // What stands before the question is computed without a gradient (frozen_model.h), so the
  // difference of the loss is not its gradient: only what acts behind it alone could be compared.
  // The last layer's output and feed-forward are such places.
  const TrainingPrompt prompt = training.Prompt(TinyExample(3));
  Gradients gradients(&training, [&] { return training.Loss({&prompt, 1}); });
  const int32_t last = training.model().model().config().layers - 1;
  for (const model::Projection projection : {model::Projection::kO, model::Projection::kGate,
                                             model::Projection::kUp, model::Projection::kDown}) {
    const TrainedLowRank& low = training.parameters().At(last, projection);
    gradients.ExpectRange(gradients.OffsetOf(low.a), low.a.numel(), "A");
    gradients.ExpectRange(gradients.OffsetOf(low.b), low.b.numel(), "B");
  }
}

// A second backward pass adds to the first: micro-batches are summed so.
TEST(Gradient, MicroBatchesAddUp) {
  TrainOptions options;
  options.k = 2;
  options.rank = 2;
  options.alpha = 3;
  TinyTraining training(options);
  training.Randomize();
  const std::vector<TrainingPrompt> prompts = {training.Prompt(TinyExample(3, 1)),
                                               training.Prompt(TinyExample(2, 2))};
  at::Tensor& gradients = training.parameters().gradients();
  training.Loss(prompts).backward();
  const at::Tensor together = gradients.clone();
  gradients.zero_();
  for (const TrainingPrompt& prompt : prompts) training.Loss({&prompt, 1}).backward();
  EXPECT_LE((gradients - together).norm().item<double>(), 1e-4 * together.norm().item<double>());
}

}  // namespace
}  // namespace kvlink::train

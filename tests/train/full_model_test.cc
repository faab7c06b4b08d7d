// Full fine-tuning: the masked pass over the whole prompt equals the linked pass over blocks, its
// gradients equal differences of the loss, computing a layer again changes neither and saves
// memory, and what is written is served.
#include "train/full_model.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "formats/gguf_copy.h"
#include "train/full_learner.h"
#include "train/loss.h"
#include "train/tiny_training.h"

namespace kvlink::train {
namespace {

using testing::TinyExample;
using testing::TinySizes;
using testing::TinyTraining;

struct Full {
  explicit Full(const TrainOptions& given, const testing::TinyModelOptions& sizes = TinySizes())
      : options(given), training(options, sizes) {
    full = *FullModel::Create(training.model().model(), options, at::kFloat, at::kCPU);
  }
  at::Tensor Loss(const TrainingPrompt& prompt) {
    const at::Tensor targets = torch::tensor(
        std::vector<int64_t>(prompt.targets.begin(), prompt.targets.end()), at::kLong);
    return at::nll_loss(at::log_softmax(full->AnswerLogits(prompt), 1, at::kDouble), targets, {},
                        at::Reduction::Sum);
  }

  TrainOptions options;
  TinyTraining training;
  std::unique_ptr<FullModel> full;
};

TrainOptions Options(int32_t k) {
  TrainOptions options;
  options.k = k;
  options.rank = 0;
  if (k == 0) options.rank = 1;  // B is zero: the frozen side needs something to hold
  return options;
}

// The frozen pass over blocks is proved equal to the serving pass in serving_equal_test.cc.
TEST(FullModel, TheMaskedPassEqualsTheLinkedPass) {
  const at::NoGradGuard no_gradient;
  for (const int32_t k : {0, 1, 5}) {
    for (const bool tied : {true, false}) {
      TrainOptions options = Options(k);
      if (k == 5) options.slots = 2;
      Full full(options, TinySizes(tied));
      for (const int documents : {0, 1, 4}) {
        const TrainingPrompt prompt = full.training.Prompt(TinyExample(documents, documents));
        const at::Tensor linked = full.training.frozen().AnswerLogits(
            full.training.Input({&prompt, 1}), full.training.parameters());
        const at::Tensor masked = full.full->AnswerLogits(prompt);
        EXPECT_GT(linked.abs().max().item<double>(), 1);
        EXPECT_LE((linked - masked).abs().max().item<double>(), 1e-3)
            << "k " << k << " tied " << tied << " documents " << documents;
      }
    }
  }
}

TEST(FullModel, FullAttentionIsOnePlainCausalPass) {
  const at::NoGradGuard no_gradient;
  TrainOptions options = Options(0);
  options.attention = TrainAttention::kFull;
  Full full(options);
  const TrainingPrompt prompt = full.training.Prompt(TinyExample(3));
  const at::Tensor there = full.training.frozen().AnswerLogits(full.training.Input({&prompt, 1}),
                                                               full.training.parameters());
  EXPECT_LE((there - full.full->AnswerLogits(prompt)).abs().max().item<double>(), 1e-3);
}

TEST(FullModel, GradientsOfEveryKindOfWeight) {
  for (const bool tied : {true, false}) {
    Full full(Options(2), TinySizes(tied));
    const TrainingPrompt prompt = full.training.Prompt(TinyExample(3));
    full.Loss(prompt).backward();
    const at::Tensor gradient = full.full->gradients().clone();
    at::Tensor& values = full.full->values();
    const at::NoGradGuard no_gradient;
    const at::Tensor before = values.clone();
    // Four points along a direction of length 1, as in gradient_test.cc.
    const auto expect = [&](int64_t first, int64_t count, const std::string& what) {
      const at::Tensor part = gradient.narrow(0, first, count);
      ASSERT_GT(part.norm().item<double>(), 0.01) << what << ": nothing reaches it";
      at::manual_seed(static_cast<uint64_t>(first) + 1);
      for (const at::Tensor& along : {part.clone(), at::randn({count})}) {
        at::Tensor direction = at::zeros_like(values);
        direction.narrow(0, first, count).copy_(along / along.norm());
        const auto loss_at = [&](double step) {
          values.copy_(before + step * direction);
          return full.Loss(prompt).item<double>();
        };
        const double step = 1e-2;
        const double measured =
            (8 * (loss_at(step) - loss_at(-step)) - (loss_at(2 * step) - loss_at(-2 * step))) /
            (12 * step);
        values.copy_(before);
        const double computed = gradient.dot(direction).item<double>();
        EXPECT_NEAR(computed, measured, 1e-2 + 1e-2 * std::abs(measured)) << what;
      }
    };
    expect(0, full.full->link_count(), "links");
    for (const formats::TensorInfo& tensor : full.training.model().model().file().tensors()) {
      if (tied && tensor.name != "token_embd.weight") continue;  // only that differs
      const at::Tensor* leaf = full.full->Find(tensor.name);
      ASSERT_NE(leaf, nullptr) << tensor.name;
      expect(leaf->storage_offset(), leaf->numel(), tensor.name);
    }
  }
}

// The type of Torch's totals: int64_t in 1.13, size_t in newer ones.
template <typename F>
struct TotalOf;
template <typename T>
struct TotalOf<void (c10::MemoryReportingInfoBase::*)(void*, int64_t, T, T, c10::Device)> {
  using Type = T;
};
using Total = TotalOf<decltype(&c10::MemoryReportingInfoBase::reportMemoryUsage)>::Type;

// What Torch holds on the CPU, at most, by what its allocator reports.
class MemoryMeter : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, Total, Total, c10::Device) override {
    now_ += bytes;
    most_ = std::max(most_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t most() const { return most_; }

 private:
  int64_t now_ = 0, most_ = 0;
};

TEST(FullModel, CheckpointingComputesAgainAndHoldsLess) {
  testing::TinyModelOptions sizes = TinySizes();
  sizes.layers = 8;
  Full full(Options(1), sizes);
  data::Example example = TinyExample(4);
  for (int i = 0; i < 30; ++i) example.question += " and what of the lamp in the town";
  const TrainingPrompt prompt = full.training.Prompt(example);
  const auto run = [&](bool checkpointing, int64_t* bytes) {
    full.full->set_checkpointing(checkpointing);
    full.full->gradients().zero_();
    const int64_t before = full.full->recomputed_layers();
    const auto meter = std::make_shared<MemoryMeter>();
    {
      const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
      full.Loss(prompt).backward();
    }
    *bytes = meter->most();
    return full.full->recomputed_layers() - before;
  };
  int64_t kept = 0, checkpointed = 0;
  EXPECT_EQ(run(false, &kept), 0);
  const at::Tensor gradient = full.full->gradients().clone();
  EXPECT_EQ(run(true, &checkpointed), 8);
  EXPECT_LE((gradient - full.full->gradients()).norm().item<double>(),
            1e-5 * gradient.norm().item<double>());
  // One layer's activations and eight inputs, in place of eight layers' activations.
  EXPECT_GT(kept, 1 << 20);
  EXPECT_LT(checkpointed, kept / 3) << kept;
}

TEST(FullLearner, OptionsItHasNoUseForAreRefused) {
  TrainOptions options = Options(1);
  TinyTraining training(options);
  const auto refused = [&] {
    const auto learner = FullLearner::Create(&training.model(), options, at::kCPU);
    return learner.ok() ? std::string() : learner.status().message();
  };
  EXPECT_NE(refused().find("--out-model"), std::string::npos);
  options.out_model = training / "out.gguf";
  EXPECT_EQ(refused(), "");
  options.distill = 0.5;
  EXPECT_NE(refused().find("--distill"), std::string::npos);
}

}  // namespace
}  // namespace kvlink::train

// Training on another device than the CPU: which names are one, and that nothing of a step is left
// behind on the CPU.
#include "train/device.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "train/adamw.h"
#include "train/full_learner.h"
#include "train/link_learner.h"
#include "train/other_device.h"
#include "train/process_group.h"
#include "train/run_state.h"
#include "train/tiny_training.h"

namespace kvlink::train {
namespace {

using testing::TinyExample;
using testing::TinyTraining;

TEST(Device, IsNamed) {
  EXPECT_EQ(*FindDevice("cpu"), c10::Device(c10::kCPU));
  for (const char* name : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda1",
                           "cuda:99999999999999999999", "cuda,"}) {
    const auto device = FindDevice(name);
    EXPECT_EQ(device.code(), StatusCode::kInvalidArgument) << name;
    EXPECT_NE(device.status().message().find("expected cpu, cuda or cuda:N"), std::string::npos)
        << device.status().message();
  }
  const auto gpu = FindDevice("cuda"), none = FindDevice("cuda:1000");
  if (torch::cuda::is_available()) {
    EXPECT_EQ(*gpu, c10::Device(c10::kCUDA, 0));
    EXPECT_EQ(none.code(), StatusCode::kInvalidArgument);
  } else {
    EXPECT_EQ(gpu.code(), StatusCode::kUnsupported);
    EXPECT_EQ(none.code(), StatusCode::kUnsupported);
  }
}

// A Torch with CUDA asks its driver before any other device's backward pass: a GPU is the other
// device there, or there is none.
std::vector<at::Device> OtherDevices() {
  std::vector<at::Device> devices;
#ifndef KVLINK_TORCH_CUDA
  devices.push_back(testing::kOtherDevice);
#endif
  if (torch::cuda::is_available()) devices.emplace_back(at::kCUDA, 0);
  return devices;
}

// Or the tests below could not fail.
TEST(Device, TheOtherOneRefusesTheCpusTensors) {
  const at::Tensor here = at::ones({2}), there = here.to(testing::kOtherDevice);
  EXPECT_EQ((there + there).cpu().sum().item<double>(), 4);
  EXPECT_THROW(there + here, c10::Error);
  EXPECT_THROW(at::cat({here, there}), c10::Error);
  EXPECT_DEATH(EXPECT_EQ(*there.data_ptr<float>(), 1), "");
}

struct Trained {
  std::vector<double> losses;  // before each step
  at::Tensor gradients;        // of the first step, on the CPU
};

Trained Steps(Learner* learner, const std::vector<TrainingPrompt>& prompts) {
  Trained trained;
  AdamW adam(learner->values(), {.weight_decay = 0.01});
  for (int step = 0; step < 3; ++step) {
    learner->gradients().zero_();
    const auto loss = learner->Pass(prompts, /*gradient=*/true);
    EXPECT_TRUE(loss.ok()) << loss.status().message();
    trained.losses.push_back(*loss);
    if (step == 0) trained.gradients = learner->gradients().cpu().clone();
    const at::NoGradGuard no_gradient;
    EXPECT_GT(learner->gradients().norm().item<double>(), 0.1);
    const int64_t links = learner->link_count(), all = learner->values().numel();
    adam.Step(&learner->values(), learner->gradients(),
              {{0, links, 1e-2}, {links, all - links, 1e-3}});
  }
  return trained;
}

void ExpectSameEverywhere(const std::vector<TrainingPrompt>& prompts,
                          const std::function<std::unique_ptr<Learner>(at::Device)>& learner_on) {
  if (OtherDevices().empty()) GTEST_SKIP() << "skipped: a Torch with CUDA, and no GPU";
  const Trained here = Steps(learner_on(at::kCPU).get(), prompts);
  EXPECT_NE(here.losses[0], here.losses[2]);
  for (const at::Device device : OtherDevices()) {
    const auto learner = learner_on(device);
    EXPECT_EQ(learner->values().device().type(), device.type());
    const Trained there = Steps(learner.get(), prompts);
    for (size_t i = 0; i < here.losses.size(); ++i) {
      EXPECT_NEAR(there.losses[i], here.losses[i], 1e-2) << device << " step " << i;
    }
    EXPECT_LT((there.gradients - here.gradients).abs().max().item<double>(), 1e-3) << device;
  }
}

TEST(Device, LinksAndAdapterTrainOnAnother) {
  TrainOptions options;
  options.k = 2;
  options.rank = 2;
  options.distill = 0.5;
  options.teacher = TrainTeacher::kAdapter;
  options.methods = *ParseMethods("link,link+attention:0.3");
  TinyTraining training(options, testing::TinySizes(), "first");
  std::vector<TrainingPrompt> prompts;
  for (int i = 0; i < 3; ++i) {
    const data::Example example = TinyExample(3 - i, i);
    prompts.push_back(training.Prompt(example, /*method=*/i % 2));
    prompts.back().teacher.push_back(*MakeTrainingPrompt(training.model(), example, /*full=*/true,
                                                         options.scope, Method(), 4096));
  }
  ExpectSameEverywhere(prompts, [&](at::Device device) {
    return *LinkLearner::Create(&training.model(), options, /*start=*/nullptr, device);
  });
}

TEST(Device, TheAdapterOnDocumentsTrainsOnAnother) {
  TrainOptions options;
  options.k = 1;
  options.rank = 2;
  options.scope = model::AdapterScope::kEverywhere;
  TinyTraining training(options);
  const std::vector<TrainingPrompt> prompts = {training.Prompt(TinyExample(3))};
  ExpectSameEverywhere(prompts, [&](at::Device device) {
    return *LinkLearner::Create(&training.model(), options, /*start=*/nullptr, device);
  });
}

TEST(Device, TheWholeModelTrainsOnAnother) {
  TrainOptions options;
  options.k = 2;
  options.rank = 0;
  options.mode = TrainMode::kFull;
  options.out_model = "unused.gguf";
  TinyTraining training(options);
  const std::vector<TrainingPrompt> prompts = {training.Prompt(TinyExample(3)),
                                               training.Prompt(TinyExample(2, 1))};
  ExpectSameEverywhere(prompts, [&](at::Device device) {
    return *FullLearner::Create(&training.model(), options, device);
  });
}

TEST(Device, ACheckpointComesBackToIt) {
  testing::TempDir folder;
  TrainOptions options;
  options.out = folder / "links.safetensors";
  at::Tensor values = at::arange(5, at::kFloat).to(testing::kOtherDevice);
  AdamW adam(values, {});
  const auto step = [&](AdamW* of) { of->Step(&values, at::ones_like(values), {{0, 5, 0.1}}); };
  step(&adam);
  LoggedValidation validation{.step = 1, .loss = 1};
  at::Tensor stepped;
  {
    auto run = RunState::Open(options, FileSystem::Posix(), {}, "{}", &values, &adam);
    ASSERT_TRUE(run.ok()) << run.status().message();
    (*run)->NoteValidation(&validation);
    (*run)->SaveCheckpoint();
    step(&adam);
    stepped = values.cpu();
  }
  values.zero_();
  AdamW fresh(values, {});
  options.resume = true;
  auto run = RunState::Open(options, FileSystem::Posix(), {}, "{}", &values, &fresh);
  ASSERT_TRUE(run.ok()) << run.status().message();
  step(&fresh);
  EXPECT_TRUE(at::equal(values.cpu(), stepped)) << values.cpu() << stepped;
  (*run)->TakeBest();
  EXPECT_GT((values.cpu() - stepped).abs().max().item<double>(), 0.05);
}

TEST(Device, SumsOverProcessesComeBackToIt) {
  testing::TempDir folder;
  bool built_without = false;
  const auto member = [&](int32_t rank) {
    TrainOptions options;
    options.world = 2;
    options.rank_of = rank;
    options.rendezvous = folder / "meet";
    const auto group = ProcessGroup::Join(options, testing::kOtherDevice);
    if (group.code() == StatusCode::kUnsupported) {
      if (rank == 0) built_without = true;
      return;
    }
    ASSERT_TRUE(group.ok()) << group.status().message();
    at::Tensor t = at::full({3}, rank + 1.0).to(testing::kOtherDevice);
    (*group)->Sum(&t);
    EXPECT_EQ(t.device(), testing::kOtherDevice);
    EXPECT_TRUE(at::equal(t.cpu(), at::full({3}, 3.0)));
  };
  std::thread second(member, 1);
  member(0);
  second.join();
  if (built_without) GTEST_SKIP() << "built without Gloo";
}

}  // namespace
}  // namespace kvlink::train

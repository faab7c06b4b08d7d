// A run's folder: the log is cut back to the checkpoint, a taken folder is refused, and a full disk
// is warned of once.
#include "train/run_folder.h"

#include <gtest/gtest.h>

#include "support/fault_files.h"
#include "support/tiny_model.h"
#include "train/run_description.h"

namespace kvlink::train {
namespace {

using testing::Fault;
using testing::FaultFiles;
using testing::TempDir;

constexpr int64_t kMost = 1 << 20;

std::string Read(const std::string& path) {
  auto text = ReadWholeFile(FileSystem::Posix(), path, kMost);
  return text.ok() ? *text : "";
}

TEST(RunFolder, StandsBesideTheLinkFile) {
  EXPECT_EQ(DefaultRunFolder("links.safetensors"), "links.run");
  EXPECT_EQ(DefaultRunFolder("a.b/links"), "a.b/links.run");
  EXPECT_EQ(DefaultRunFolder("a.b/x.y.safetensors"), "a.b/x.y.run");
  EXPECT_EQ(DefaultRunFolder("a/.hidden"), "a/.hidden.run");
}

TEST(RunFolder, LogIsCutBackToTheCheckpoint) {
  TempDir folder;
  FileSystem& files = FileSystem::Posix();
  const std::string path = folder / "links.run";
  const std::vector<float> numbers = {1, 2};
  std::string until_checkpoint;
  {
    auto run = RunFolder::Create(files, path, {});
    ASSERT_TRUE(run.ok()) << run.status().message();
    run->Add(LoggedStep{1, 2.5, 0.1, 10, 0.5, 4});
    run->Add(LoggedStep{2, 0.1, 1, 10, 0.5, 4});
    run->Add(LoggedValidation{2, 2.25, 20, 1, true});
    run->Save({{.step = 2}, "{}", numbers, numbers, numbers, {}});
    EXPECT_EQ(run->saved_step(), 2);
    until_checkpoint = Read(path + "/log.jsonl");
    run->Add(LoggedStep{3, 9, 1, 10, 0.5, 4});
    run->Draw("links");
  }
  EXPECT_EQ(until_checkpoint,
            "{\"step\":1,\"loss\":2.5,\"rate\":0.1,\"tokens\":10,\"seconds\":0.5,\"examples\":4}\n"
            "{\"step\":2,\"loss\":0.1,\"rate\":1.0,\"tokens\":10,\"seconds\":0.5,\"examples\":4}\n"
            "{\"step\":2,\"valid_loss\":2.25,\"tokens\":20,\"seconds\":1.0,\"best\":true}\n");
  EXPECT_TRUE(Read(path + "/curve.svg").starts_with("<svg"));
  // As a killed writer leaves it.
  ASSERT_TRUE(WriteWholeFile(files, path + "/log.jsonl", Read(path + "/log.jsonl") + "{\"st").ok());

  EXPECT_EQ(RunFolder::Create(files, path, {}).code(), StatusCode::kFailedPrecondition);
  const auto checkpoint = LoadRunCheckpoint(files, path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  auto run = RunFolder::Resume(files, path + "/", {}, checkpoint->counters);
  ASSERT_TRUE(run.ok()) << run.status().message();
  EXPECT_EQ(Read(path + "/log.jsonl"), until_checkpoint);
  ASSERT_EQ(run->steps().size(), 2u);
  EXPECT_EQ(run->steps()[1].loss, 0.1);
  run->Add(LoggedStep{3, 8, 1, 10, 0.5, 4});
  EXPECT_TRUE(Read(path + "/log.jsonl").starts_with(until_checkpoint + "{\"step\":3,\"loss\":8.0"));
}

// A disk that cannot give the log.
class UnreadableLog : public FaultFiles {
 public:
  Result<std::string> Read(const std::string& path, int64_t max_bytes) override {
    if (path.ends_with("log.jsonl")) return Unavailable(path + ": Input/output error");
    return FaultFiles::Read(path, max_bytes);
  }
};

TEST(RunFolder, ALogThatCannotBeReadIsNotWrittenOver) {
  TempDir folder;
  const std::string path = folder / "links.run", line = "{\"step\":1,\"loss\":2.5}\n";
  FileSystem& files = FileSystem::Posix();
  ASSERT_TRUE(files.CreateDirectories(path, FileAccess::kByUmask).ok());
  ASSERT_TRUE(WriteWholeFile(files, path + "/log.jsonl", line).ok());
  UnreadableLog broken;
  const auto run = RunFolder::Resume(broken, path, {}, {.step = 1});
  ASSERT_EQ(run.code(), StatusCode::kUnavailable);
  EXPECT_NE(run.status().message().find("move it away"), std::string::npos);
  EXPECT_EQ(Read(path + "/log.jsonl"), line);
  // One that is gone is begun anew.
  ASSERT_TRUE(files.Remove(path + "/log.jsonl").ok());
  EXPECT_TRUE(RunFolder::Resume(files, path, {}, {.step = 1}).ok());
}

TEST(RunFolder, BelongsToOneRunAtATime) {
  TempDir folder;
  FileSystem& files = FileSystem::Posix();
  const std::string path = folder / "links.run";
  const std::vector<float> numbers = {1, 2};
  {
    auto first = RunFolder::Create(files, path, {});
    ASSERT_TRUE(first.ok()) << first.status().message();
    first->Add(LoggedStep{1, 2.5, 0.1, 10, 0.5, 4});
    const auto second = RunFolder::Create(files, path, {});
    ASSERT_EQ(second.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(second.status().message().find("another kvlink-train"), std::string::npos);
    EXPECT_NE(Read(path + "/log.jsonl"), "") << "the refused run must not empty the log";
    first->Save({{.step = 1}, "{}", numbers, numbers, numbers, {}});
    EXPECT_EQ(RunFolder::Resume(files, path, {}, {.step = 0}).code(),
              StatusCode::kFailedPrecondition);
    EXPECT_NE(Read(path + "/log.jsonl"), "") << "the refused run must not cut the log";
  }
  // What a killed run leaves goes, what is not ours stays.
  const std::string killed = TemporaryName(path + "/checkpoint"), foreign = path + "/x.tmp-1";
  ASSERT_TRUE(WriteWholeFile(files, killed, "half").ok());
  ASSERT_TRUE(WriteWholeFile(files, foreign, "mine").ok());
  EXPECT_TRUE(RunFolder::Resume(files, path, {}, {.step = 1}).ok());
  EXPECT_EQ(files.Stat(killed).code(), StatusCode::kNotFound);
  EXPECT_EQ(Read(foreign), "mine");
}

TEST(RunFolder, AStepWithoutExamplesIsNoPointOfTheCurve) {
  TempDir folder;
  const auto curve = [&](const std::string& name, bool skipped) {
    auto run = RunFolder::Create(FileSystem::Posix(), folder / name, {});
    EXPECT_TRUE(run.ok());
    run->Add(LoggedStep{1, 2.5, 1, 10, 0.5, 4});
    if (skipped) run->Add(LoggedStep{2, 0, 1, 0, 0.5, 0});
    run->Add(LoggedStep{3, 2.25, 1, 10, 0.5, 4});
    run->Draw("links");
    return Read(folder / (name + "/curve.svg"));
  };
  EXPECT_EQ(curve("with", true), curve("without", false));
}

TEST(RunFolder, WithoutACheckpointThereIsNothingToResume) {
  TempDir folder;
  const auto loaded = LoadRunCheckpoint(FileSystem::Posix(), folder / "none.run");
  EXPECT_EQ(loaded.code(), StatusCode::kNotFound);
  EXPECT_NE(loaded.status().message().find("no checkpoint there"), std::string::npos);
}

TEST(RunFolder, AFullDiskIsWarnedOfOnce) {
  TempDir folder;
  FaultFiles files;
  std::vector<std::string> warnings;
  const Log log([&](Severity severity, std::string_view text) {
    if (severity == Severity::kWarning) warnings.emplace_back(text);
  });
  auto run = RunFolder::Create(files, folder / "links.run", log);
  ASSERT_TRUE(run.ok());
  const std::vector<float> numbers = {1, 2};
  run->Save({{.step = 4}, "{}", numbers, numbers, numbers, {}});
  files.Arm(Fault::kDiskFull, 0);
  run->Save({{.step = 8}, "{}", numbers, numbers, numbers, {}});
  run->Draw("links");
  run->Save({{.step = 12}, "{}", numbers, numbers, numbers, {}});
  files.Arm(Fault::kNone, 0);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("the run goes on, the checkpoint of step 4 stays"), std::string::npos)
      << warnings[0];
  EXPECT_EQ(LoadRunCheckpoint(files, folder / "links.run")->counters.step, 4);
  // Room again: checkpoints go on.
  run->Save({{.step = 16}, "{}", numbers, numbers, numbers, {}});
  EXPECT_EQ(run->saved_step(), 16);
  EXPECT_EQ(LoadRunCheckpoint(files, folder / "links.run")->counters.step, 16);
}

TEST(RunDescription, WhatDiffersIsNamed) {
  TrainOptions options;
  TrainingData data;
  data.train.push_back({});
  data.files.push_back({.path = "sets/a.jsonl", .hash = {1}, .examples = 1, .validation = false});
  const std::string before = DescribeRun(options, {7}, "f32", text::ChatMlTemplate(), data);
  EXPECT_TRUE(CheckSameRun(before, before).ok());

  const auto refusal = [&](const TrainOptions& o, const TrainingData& d, uint8_t model,
                           const char* compute) {
    const Status status =
        CheckSameRun(before, DescribeRun(o, {model}, compute, text::ChatMlTemplate(), d));
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    return status.message();
  };
  TrainOptions other = options;
  other.k = 1;
  EXPECT_EQ(refusal(other, data, 7, "f32"),
            "cannot resume: --k was 5 and is 1 now; give what the run was started with");
  other = options;
  other.link_start = "the";
  EXPECT_NE(refusal(other, data, 7, "f32").find("--link-start was \"mean\" and is \"the\""),
            std::string::npos);
  EXPECT_NE(refusal(options, data, 8, "f32").find("cannot resume: model was"), std::string::npos);
  EXPECT_NE(refusal(options, data, 7, "bf16").find("compute was \"f32\" and is \"bf16\""),
            std::string::npos);
  TrainingData changed = data;
  changed.files[0].hash = {2};
  EXPECT_NE(refusal(options, changed, 7, "f32").find("data file 1 was"), std::string::npos);
  changed.files.push_back(changed.files[0]);
  EXPECT_NE(refusal(options, changed, 7, "f32").find("data files was 1 and is 2"),
            std::string::npos);
  // Where the run writes, and how often, decides nothing.
  other = options;
  other.out = "x";
  other.run = "y";
  other.checkpoint_every = 1;
  other.threads = 2;
  other.store = "z";
  other.rank_of = 1;
  EXPECT_TRUE(
      CheckSameRun(before, DescribeRun(other, {7}, "f32", text::ChatMlTemplate(), data)).ok());
  // Older checkpoints say which process wrote them.
  EXPECT_TRUE(CheckSameRun("{\"rank-of\":0," + before.substr(1), before).ok());
  // Nor did they say how documents were linked.
  std::string older = before;
  const std::string methods = "\"methods\":\"link\",";
  ASSERT_NE(older.find(methods), older.npos);
  older.erase(older.find(methods), methods.size());
  EXPECT_TRUE(CheckSameRun(older, before).ok());
  other = options;
  other.methods = *ParseMethods("link+epic:1");
  EXPECT_FALSE(
      CheckSameRun(older, DescribeRun(other, {7}, "f32", text::ChatMlTemplate(), data)).ok());
}

}  // namespace
}  // namespace kvlink::train

// Two processes train what one process trains: the same parameters after some steps over the same
// batches. Real processes, which meet over a file and over the loopback.
#include "train/process_group.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "formats/safetensors.h"
#include "train/checkpoint.h"
#include "train/tiny_training.h"
#include "train/trainer.h"

namespace kvlink::train {
namespace {

constexpr const char* kFolder = "KVLINK_TEST_GROUP_FOLDER";
constexpr const char* kRank = "KVLINK_TEST_GROUP_RANK";
constexpr const char* kPlace = "KVLINK_TEST_GROUP_PLACE";
constexpr const char* kTask = "KVLINK_TEST_GROUP_TASK";

// Batches of three, one of them with an example that is skipped: the two processes never have as
// many examples.
constexpr int kExamples = 5, kBatch = 3;

TrainOptions Options(const std::string& folder) {
  TrainOptions options;
  options.model = folder + "/tiny.gguf";
  options.train = options.valid = {folder + "/data.jsonl"};
  options.dtype = DType::kF32;
  options.out_dtype = DType::kF32;
  options.k = 2;
  options.rank = 2;
  options.adapter_rate = 1e-3;
  options.batch = kBatch;
  options.micro_batch = 1;
  options.epochs = 2;  // four steps
  options.valid_every = 0;
  return options;
}

// What a started process does; run by name only. Its task: "train"; "stop" after two steps;
// "resume"; "differ": a seed of its own; or "refused": a resumption that must not go on.
TEST(DISABLED_ProcessGroup, Member) {
  const std::string folder = std::getenv(kFolder), task = std::getenv(kTask);
  TrainOptions options = Options(folder);
  options.world = 2;
  options.rank_of = std::atoi(std::getenv(kRank));
  options.rendezvous = std::getenv(kPlace);
  options.out = folder + "/out" + std::getenv(kRank) + ".safetensors";
  options.resume = task == "resume" || task == "refused";
  if (task == "differ") options.seed += options.rank_of;
  TrainProgress progress;
  int64_t polls = 0;
  if (task == "stop") progress.stop = [&polls] { return ++polls == 2; };
  const auto summary = Train(options, progress);
  if (task == "stop") {
    EXPECT_EQ(summary.code(), StatusCode::kCancelled) << summary.status().message();
    return;
  }
  if (task == "differ" || task == "refused") {
    ASSERT_EQ(summary.code(), StatusCode::kFailedPrecondition) << summary.status().message();
    const std::string& message = summary.status().message();
    EXPECT_NE(message.find(task == "differ" ? "start all of them with the same options"
                                            : "copy the first process's checkpoint"),
              std::string::npos)
        << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return;
  }
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->examples, 2 * kExamples);  // all processes' together
  EXPECT_EQ(summary->skipped, 2);               // the one that only one process met
}

pid_t Start(const std::string& folder, int rank, const std::string& place,
            const std::string& task) {
  setenv(kTask, task.c_str(), 1);
  setenv(kFolder, folder.c_str(), 1);
  setenv(kRank, std::to_string(rank).c_str(), 1);
  setenv(kPlace, place.c_str(), 1);
  char program[] = "/proc/self/exe";
  char filter[] = "--gtest_filter=DISABLED_ProcessGroup.Member";
  char run[] = "--gtest_also_run_disabled_tests";
  char* arguments[] = {program, filter, run, nullptr};
  pid_t pid = -1;
  EXPECT_EQ(posix_spawn(&pid, program, nullptr, nullptr, arguments, environ), 0);
  return pid;
}

// A port that was free a moment ago.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

class TwoProcesses : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Built()) GTEST_SKIP() << "skipped: built without Gloo";
    testing::WriteTinyModel(folder_.path(), testing::TinySizes());
    std::string lines;
    for (int i = 0; i < kExamples; ++i) {
      const data::Example example = testing::TinyExample(2, i);
      nlohmann::json line = {
          {"id", example.id}, {"question", example.question}, {"answers", example.answers}};
      for (const data::ExampleDocument& d : example.documents) {
        line["documents"].push_back({{"title", d.title}, {"text", d.text}});
      }
      lines += line.dump() + "\n";
    }
    // One that does not fit, and that one process meets alone in each epoch.
    nlohmann::json line = {{"id", "long"}, {"question", Endless()}, {"answers", {"a"}}};
    line["documents"].push_back({{"title", "t"}, {"text", "the mill"}});
    lines += line.dump() + "\n";
    ASSERT_TRUE(WriteWholeFile(FileSystem::Posix(), folder_ / "data.jsonl", lines).ok());
  }

  static std::string Endless() {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "x ";
    return text;
  }

  static bool Built() {
    TrainOptions options;
    options.world = 2;
    options.rendezvous = "tcp://nowhere";  // refused before anybody is waited for
    return ProcessGroup::Join(options, at::kCPU).code() != StatusCode::kUnsupported;
  }

  void ExpectTheSameAsOne(const std::string& place) {
    TrainOptions options = Options(folder_.path());
    options.out = folder_ / "alone.safetensors";
    const auto alone = Train(options, {});
    ASSERT_TRUE(alone.ok()) << alone.status().message();
    Both("train", place);
    ExpectTheSameNumbers(options.out);
  }

  // Two processes that both do what the task asks.
  void Both(const std::string& task, const std::string& place) {
    const pid_t members[] = {Start(folder_.path(), 0, place, task),
                             Start(folder_.path(), 1, place, task)};
    for (const pid_t member : members) {
      int status = -1;
      ASSERT_EQ(waitpid(member, &status, 0), member);
      ASSERT_EQ(status, 0) << task;
    }
  }

  void ExpectTheSameNumbers(const std::string& alone) {
    EXPECT_FALSE(FileSystem::Posix().Stat(folder_ / "out1.safetensors").ok()) << "both wrote";
    const auto one = formats::SafetensorsFile::Open(FileSystem::Posix(), alone);
    const auto two =
        formats::SafetensorsFile::Open(FileSystem::Posix(), folder_ / "out0.safetensors");
    ASSERT_TRUE(one.ok() && two.ok());
    ASSERT_EQ((*one)->tensors().size(), (*two)->tensors().size());
    double largest = 0, moved = 0;
    for (const auto& [name, tensor] : (*one)->tensors()) {
      const std::vector<float> a = tensor.ToFloat(), b = (*two)->tensors().at(name).ToFloat();
      ASSERT_EQ(a.size(), b.size());
      for (size_t i = 0; i < a.size(); ++i) {
        largest = std::max<double>(largest, std::abs(a[i] - b[i]));
        // lora_B begins at zero: what it is now was learned.
        if (name.find("lora_B") != std::string::npos)
          moved = std::max<double>(moved, std::abs(a[i]));
      }
    }
    EXPECT_LE(largest, 1e-5);
    EXPECT_GT(moved, 1e-3);
    const auto loss = [](const formats::SafetensorsFile& file) {
      return nlohmann::json::parse(file.metadata().find("provenance")->second)["valid_loss"]
          .get<double>();
    };
    EXPECT_NEAR(loss(**one), loss(**two), 2e-4);  // four decimals are kept
  }

  testing::TempDir folder_;
};

TEST_F(TwoProcesses, OverAFile) { ExpectTheSameAsOne(folder_ / "rendezvous"); }

TEST_F(TwoProcesses, OverTheLoopback) {
  ExpectTheSameAsOne("tcp://127.0.0.1:" + std::to_string(FreePort()));
}

TEST_F(TwoProcesses, ThatWereToldDifferentThingsBothStop) {
  Both("differ", folder_ / "rendezvous");
  EXPECT_FALSE(FileSystem::Posix().Stat(folder_ / "out0.safetensors").ok());
}

TEST_F(TwoProcesses, ResumeFromTheSameMomentOnly) {
  TrainOptions options = Options(folder_.path());
  options.out = folder_ / "alone.safetensors";
  ASSERT_TRUE(Train(options, {}).ok());
  Both("stop", folder_ / "first");
  FileSystem& files = FileSystem::Posix();
  const std::string path = folder_ / "out1.run.rank1/checkpoint";
  auto checkpoint = LoadCheckpoint(files, path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  ASSERT_EQ(checkpoint->counters.step, 2);
  const auto save = [&] {
    return SaveCheckpoint(files, path,
                          {checkpoint->counters, checkpoint->description, checkpoint->values,
                           checkpoint->first, checkpoint->second, checkpoint->best});
  };
  // Of another run with the same options, and of another step.
  checkpoint->values[1] += 1;
  ASSERT_TRUE(save().ok());
  Both("refused", folder_ / "second");
  checkpoint->values[1] -= 1;
  checkpoint->counters.step = 1;
  ASSERT_TRUE(save().ok());
  Both("refused", folder_ / "third");
  // What the message says to do.
  const auto first = ReadWholeFile(files, folder_ / "out0.run/checkpoint", 1 << 26);
  ASSERT_TRUE(first.ok()) << first.status().message();
  ASSERT_TRUE(WriteWholeFile(files, path, *first).ok());
  Both("resume", folder_ / "fourth");
  ExpectTheSameNumbers(options.out);
}

TEST(ProcessGroup, OneAloneMeetsNobody) {
  const auto group = ProcessGroup::Join({}, at::kCPU);
  ASSERT_TRUE(group.ok());
  EXPECT_TRUE((*group)->is_first());
  EXPECT_TRUE((*group)->Takes(7));
  at::Tensor t = at::ones({2});
  (*group)->Sum(&t);
  EXPECT_EQ(t.sum().item<double>(), 2);
}

TEST(ProcessGroup, WrongPlacesAreNamed) {
  TrainOptions options;
  options.world = 2;
  const auto message = [&] { return ProcessGroup::Join(options, at::kCPU).status().message(); };
  EXPECT_NE(message().find("--rendezvous"), std::string::npos);
  options.rank_of = 2;
  EXPECT_NE(message().find("2 of 2"), std::string::npos);
  options.rank_of = -1;
  EXPECT_EQ(ProcessGroup::Join(options, at::kCPU).code(), StatusCode::kInvalidArgument);
  options.rank_of = 0;
  for (const char* const place : {"tcp://", "tcp://host", "tcp://host:", "tcp://host:x1",
                                  "tcp://host:99999", "tcp://:80", "tcp://host:0"}) {
    options.rendezvous = place;
    const auto group = ProcessGroup::Join(options, at::kCPU);
    if (group.code() == StatusCode::kUnsupported) GTEST_SKIP() << "skipped: built without Gloo";
    EXPECT_EQ(group.code(), StatusCode::kInvalidArgument) << place;
    EXPECT_NE(group.status().message().find(place), std::string::npos);
  }
}

}  // namespace
}  // namespace kvlink::train

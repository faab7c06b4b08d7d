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
#include "model/safetensors.h"
#include "train/tiny_training.h"
#include "train/trainer.h"

namespace kvlink {
namespace {

constexpr const char* kFolder = "KVLINK_TEST_GROUP_FOLDER";
constexpr const char* kRank = "KVLINK_TEST_GROUP_RANK";
constexpr const char* kPlace = "KVLINK_TEST_GROUP_PLACE";

// Batches of three and two: the two processes never have as many examples.
constexpr int kExamples = 5, kBatch = 3;

TrainOptions Options(const std::string& folder) {
  TrainOptions options;
  options.model = folder + "/tiny.gguf";
  options.train = options.valid = {folder + "/data.jsonl"};
  options.dtype = "f32";
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

// What a started process does; run by name only.
TEST(DISABLED_ProcessGroup, Member) {
  const std::string folder = std::getenv(kFolder);
  TrainOptions options = Options(folder);
  options.world = 2;
  options.rank_of = std::atoi(std::getenv(kRank));
  options.rendezvous = std::getenv(kPlace);
  options.out = folder + "/out" + std::getenv(kRank) + ".safetensors";
  const auto summary = Train(options, {});
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->examples, 2 * kExamples);  // all processes' together
}

pid_t Start(const std::string& folder, int rank, const std::string& place) {
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
      const Example example = testing::TinyExample(2, i);
      nlohmann::json line = {
          {"id", example.id}, {"question", example.question}, {"answers", example.answers}};
      for (const ExampleDocument& d : example.documents) {
        line["documents"].push_back({{"title", d.title}, {"text", d.text}});
      }
      lines += line.dump() + "\n";
    }
    ASSERT_TRUE(WriteWholeFile(FileSystem::Posix(), folder_ / "data.jsonl", lines).ok());
  }

  static bool Built() {
    TrainOptions options;
    options.world = 2;
    options.rendezvous = "tcp://nowhere";  // refused before anybody is waited for
    return ProcessGroup::Join(options).code() != StatusCode::kUnsupported;
  }

  void ExpectTheSameAsOne(const std::string& place) {
    TrainOptions options = Options(folder_.path());
    options.out = folder_ / "alone.safetensors";
    const auto alone = Train(options, {});
    ASSERT_TRUE(alone.ok()) << alone.status().message();
    const pid_t members[] = {Start(folder_.path(), 0, place), Start(folder_.path(), 1, place)};
    for (const pid_t member : members) {
      int status = -1;
      ASSERT_EQ(waitpid(member, &status, 0), member);
      ASSERT_EQ(status, 0);
    }
    EXPECT_FALSE(FileSystem::Posix().Stat(folder_ / "out1.safetensors").ok()) << "both wrote";
    const auto one = SafetensorsFile::Open(FileSystem::Posix(), options.out);
    const auto two = SafetensorsFile::Open(FileSystem::Posix(), folder_ / "out0.safetensors");
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
    const auto loss = [](const SafetensorsFile& file) {
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

TEST(ProcessGroup, OneAloneMeetsNobody) {
  const auto group = ProcessGroup::Join({});
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
  const auto message = [&] { return ProcessGroup::Join(options).status().message(); };
  EXPECT_NE(message().find("--rendezvous"), std::string::npos);
  options.rank_of = 2;
  EXPECT_NE(message().find("2 of 2"), std::string::npos);
  options.rank_of = -1;
  EXPECT_EQ(ProcessGroup::Join(options).code(), StatusCode::kInvalidArgument);
  options.rank_of = 0;
  for (const char* const place : {"tcp://", "tcp://host", "tcp://host:", "tcp://host:x1",
                                  "tcp://host:99999", "tcp://:80", "tcp://host:0"}) {
    options.rendezvous = place;
    const auto group = ProcessGroup::Join(options);
    if (group.code() == StatusCode::kUnsupported) GTEST_SKIP() << "skipped: built without Gloo";
    EXPECT_EQ(group.code(), StatusCode::kInvalidArgument) << place;
    EXPECT_NE(group.status().message().find(place), std::string::npos);
  }
}

}  // namespace
}  // namespace kvlink

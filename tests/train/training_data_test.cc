// What is hashed of a data file is what is read of it; whose memory ended is told apart.
#include "train/training_data.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>

#include "base/bytes.h"
#include "support/fault_files.h"
#include "support/tiny_model.h"
#include "train/torch_failure.h"

namespace kvlink::train {
namespace {

// A file that is replaced by another each time it was opened.
class ReplacedFile : public testing::FaultFiles {
 public:
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    auto file = FaultFiles::Map(path);
    const std::string next = R"({"text": "version )" + std::to_string(++opened) + "\"}\n";
    EXPECT_TRUE(WriteWholeFile(FileSystem::Posix(), path, next).ok());
    return file;
  }
  int opened = 0;
};

TEST(TrainingDataFiles, TheHashIsOfWhatWasRead) {
  testing::TempDir folder;
  const std::string first = "{\"text\": \"version 0\"}\n";
  TrainOptions options;
  options.train = {folder / "a.jsonl"};
  ASSERT_TRUE(WriteWholeFile(FileSystem::Posix(), options.train[0], first).ok());
  ReplacedFile files;
  const auto data = ReadTrainingData(files, options);
  ASSERT_TRUE(data.ok()) << data.status().message();
  ASSERT_EQ(data->files.size(), 1u);
  EXPECT_EQ(data->files[0].hash, Sha256().Update(AsBytes(first)).Finish());
  ASSERT_EQ(data->train[0].examples.size(), 1u);
  EXPECT_EQ(data->train[0].examples[0].answers[0], "version 0");
  EXPECT_EQ(files.opened, 1);
}

TEST(GuardedTorch, TellsMemoryFromTorch) {
  const auto code = [](auto exception) {
    return GuardedTorch("no memory", [&]() -> Status { throw exception; }).code();
  };
  EXPECT_EQ(code(std::bad_alloc()), StatusCode::kResourceExhausted);
  EXPECT_EQ(code(std::length_error("resize")), StatusCode::kResourceExhausted);
  const Status torch =
      GuardedTorch("no memory", []() -> Status { throw std::runtime_error("first\nsecond"); });
  EXPECT_EQ(torch.code(), StatusCode::kInternal);
  EXPECT_EQ(torch.message(), "Torch failed: first");
}

}  // namespace
}  // namespace kvlink::train

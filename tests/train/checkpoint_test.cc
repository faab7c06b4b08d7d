// Checkpoints: what is written is read, every damaged byte is noticed, a full disk leaves the last
// one whole, and the bytes are those of docs/training.md.
#include "train/checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "support/fault_files.h"
#include "support/memory_file.h"
#include "support/tiny_model.h"

namespace kvlink::train {
namespace {

using testing::Fault;
using testing::FaultFiles;
using testing::MemoryFile;
using testing::TempDir;

const std::vector<float> kValues = {1, -2.5f, 3}, kFirst = {0.5f, 0, -0.25f}, kSecond = {4, 5, 6},
                         kBest = {7, 8, 9};

CheckpointView View(int64_t step = 12) {
  return {{.step = step,
           .adam_steps = 11,
           .examples = 90,
           .skipped = 2,
           .best_step = 8,
           .best_loss = 1.25,
           .valid_loss = 1.5,
           .validations_ago = 1},
          "{\"k\":5}",
          kValues,
          kFirst,
          kSecond,
          kBest};
}

std::string BytesOf(const CheckpointView& view) {
  TempDir folder;
  EXPECT_TRUE(SaveCheckpoint(FileSystem::Posix(), folder / "checkpoint", view).ok());
  return *ReadWholeFile(FileSystem::Posix(), folder / "checkpoint", 1 << 20);
}

Result<Checkpoint> Load(std::string_view bytes) {
  MemoryFile file(bytes);
  return LoadCheckpoint(file, "run/checkpoint");
}

TEST(Checkpoint, ComesBackAsItWasWritten) {
  const auto loaded = Load(BytesOf(View()));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->counters, View().counters);
  EXPECT_EQ(loaded->description, "{\"k\":5}");
  EXPECT_EQ(loaded->values, kValues);
  EXPECT_EQ(loaded->first, kFirst);
  EXPECT_EQ(loaded->second, kSecond);
  EXPECT_EQ(loaded->best, kBest);

  CheckpointView without = View();
  without.best = {};
  const auto early = Load(BytesOf(without));
  ASSERT_TRUE(early.ok()) << early.status().message();
  EXPECT_TRUE(early->best.empty());
}

// The grammar of docs/training.md, written down a second time.
TEST(Checkpoint, BytesAreThoseOfTheGrammar) {
  std::string expected = "KVLTRAIN";
  AppendValue<uint32_t>(&expected, 1);
  AppendValue<uint32_t>(&expected, 152);
  for (const int64_t counter : {12, 11, 90, 2, 8}) AppendValue<int64_t>(&expected, counter);
  AppendValue<double>(&expected, 1.25);
  AppendValue<double>(&expected, 1.5);
  AppendValue<int64_t>(&expected, 1);
  const std::string description = "{\"k\":5}";
  AppendValue<uint64_t>(&expected, description.size());
  AppendValue<uint64_t>(&expected, Xxh3(AsBytes(description)));
  AppendValue<uint64_t>(&expected, 3);
  AppendValue<uint64_t>(&expected, 3);
  for (const auto* array : {&kValues, &kFirst, &kSecond, &kBest}) {
    AppendValue<uint64_t>(&expected, Xxh3(std::as_bytes(std::span(*array))));
  }
  AppendValue<uint64_t>(&expected, Xxh3(AsBytes(expected)));
  expected += description;
  for (const auto* array : {&kValues, &kFirst, &kSecond, &kBest}) {
    expected += AsText(std::as_bytes(std::span(*array)));
  }
  EXPECT_EQ(BytesOf(View()), expected);
}

TEST(Checkpoint, EveryDamageIsNoticed) {
  const std::string good = BytesOf(View());
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    EXPECT_FALSE(Load(bad).ok()) << "byte " << at;
    EXPECT_FALSE(Load(std::string_view(good).substr(0, at)).ok()) << "cut at " << at;
  }
  EXPECT_FALSE(Load(good + "x").ok());
}

// Whoever makes a file on purpose can mend its checksum: sizes must still not be believed.
TEST(Checkpoint, HostileSizesAreRefused) {
  const std::string good = BytesOf(View());
  constexpr size_t kSizes = 16 + 64, kHash = 144;
  for (const size_t field : {kSizes, kSizes + 16, kSizes + 24}) {
    for (const uint64_t size : {uint64_t{0}, uint64_t{1} << 30, uint64_t{1} << 62, ~uint64_t{0}}) {
      std::string bad = good;
      std::memcpy(bad.data() + field, &size, sizeof(size));
      const uint64_t hash = Xxh3(AsBytes(std::string_view(bad).substr(0, kHash)));
      std::memcpy(bad.data() + kHash, &hash, sizeof(hash));
      EXPECT_EQ(Load(bad).code(), StatusCode::kDataLoss) << field << " " << size;
    }
  }
}

TEST(Checkpoint, ANewerVersionIsNamed) {
  std::string newer = BytesOf(View());
  newer[8] = 2;
  const auto loaded = Load(newer);
  EXPECT_EQ(loaded.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(loaded.status().message().find("version 2, expected 1"), std::string::npos)
      << loaded.status().message();
}

TEST(Checkpoint, AFullDiskOrADeathLeavesTheLastOneWhole) {
  for (const Fault fault : {Fault::kOnce, Fault::kTorn, Fault::kDiskFull, Fault::kDeath}) {
    for (int64_t n = 0;; ++n) {
      TempDir folder;
      FaultFiles files;
      const std::string path = folder / "checkpoint";
      ASSERT_TRUE(SaveCheckpoint(files, path, View(12)).ok());
      files.Arm(fault, n);
      const Status saved = SaveCheckpoint(files, path, View(13));
      const bool suffered = files.faults() > 0;
      files.Arm(Fault::kNone, 0);
      const auto loaded = LoadCheckpoint(FileSystem::Posix(), path);
      ASSERT_TRUE(loaded.ok()) << loaded.status().message();
      if (saved.ok()) {
        EXPECT_EQ(loaded->counters.step, 13);
      } else if (fault != Fault::kDeath) {
        EXPECT_EQ((*files.List(folder.path())).size(), 1u) << "nothing is left beside it";
      }
      if (!suffered) break;
    }
  }
}

}  // namespace
}  // namespace kvlink::train

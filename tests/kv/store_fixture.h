// What the tests of the disk store share: a folder, a clock that stands still, and looking into
// the store's files from outside.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kv/blocks.h"
#include "kv/disk_store.h"
#include "support/fault_files.h"
#include "support/tiny_model.h"

namespace kvlink::testing {

// SQLite's syncs on a disk would take most of these tests' time, and none of them needs a disk:
// what a crash would lose is FaultFiles' to say.
struct PreferMemoryFolder {
  PreferMemoryFolder() {
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", /*overwrite=*/0);
  }
};

class ManualClock : public Clock {
 public:
  int64_t UnixMs() override { return now_ms; }
  double MonotonicMs() override { return static_cast<double>(now_ms); }
  std::atomic<int64_t> now_ms{1'000'000};
};

inline std::string HexOf(const kv::BlockId& id) { return ToHex(id); }

class DiskStoreTest : public ::testing::Test {
 protected:
  kv::DiskStoreOptions Options() {
    kv::DiskStoreOptions options;
    options.path = dir_ / "store";
    options.clock = &clock_;
    options.files = &files_;  // without faults: only sparing real syncs
    options.log = Log([this](Severity, std::string_view message) {
      const std::lock_guard lock(log_mutex_);
      log_ += std::string(message) + "\n";
    });
    return options;
  }
  std::unique_ptr<kv::DiskStore> MustOpen(const kv::DiskStoreOptions& options) {
    auto store = kv::DiskStore::Open(options);
    if (store.ok()) return *std::move(store);
    ADD_FAILURE() << store.status().message();
    return nullptr;
  }
  std::unique_ptr<kv::DiskStore> MustOpen() { return MustOpen(Options()); }

  std::string PathOf(uint64_t seed) const {
    const std::string hex = HexOf(IdOf(seed));
    return dir_ / ("store/blocks/" + hex.substr(0, 2) + "/" + hex + ".kvb");
  }
  int64_t FilesIn(const std::string& folder) const {
    int64_t files = 0;
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(dir_ / ("store/" + folder), ignored)) {
      files += entry.is_regular_file();
    }
    return files;
  }
  static void FlipByte(const std::string& path, int64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file.good()) << path;
    file.seekg(offset);
    const char byte = static_cast<char>(file.get());
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ 0x40));
  }

  PreferMemoryFolder prefer_memory_;  // before dir_
  TempDir dir_;
  ManualClock clock_;
  FaultFiles files_;
  std::mutex log_mutex_;
  std::string log_;
};

// The Get succeeds and gives the block that the seed stands for.
inline void ExpectStored(kv::BlockStore& store, uint64_t seed, kv::BlockShape shape = kTinyShape) {
  const auto got = store.Get(IdOf(seed));
  ASSERT_TRUE(got.ok()) << seed << ": " << got.status().message();
  EXPECT_TRUE(SameBytes(**got, *MakeBlock(seed, shape))) << seed;
}

}  // namespace kvlink::testing

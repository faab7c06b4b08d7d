// What is remembered, what is not believed, and the file's bytes.
#include "base/digest_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "support/tiny_model.h"

namespace kvlink {
namespace {

using testing::TempDir;

class LateClock : public Clock {
 public:
  int64_t UnixMs() override { return Clock::System().UnixMs() + later_ms; }
  double MonotonicMs() override { return Clock::System().MonotonicMs(); }
  int64_t later_ms = 10'000;
};

// A mapping whose identity is made up, so that bytes that depend on it are the same everywhere.
class MadeUpFile : public MappedFile {
 public:
  std::span<const std::byte> bytes() const override { return {}; }
  std::optional<FileIdentity> identity() const override {
    return FileIdentity{
        .device = 1, .inode = 2, .size_bytes = 3, .modified_ns = 4, .changed_ns = 5};
  }
};

class DigestCacheTest : public ::testing::Test {
 protected:
  DigestCacheTest() { Write("model", "first bytes"); }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name, std::ios::binary) << text;
  }
  std::shared_ptr<const MappedFile> Map(const std::string& name) const {
    auto file = FileSystem::Posix().Map(dir_ / name);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return *std::move(file);
  }
  Sha256Digest GetOf(const MappedFile& file, std::string_view what = "bytes",
                     FileSystem& files = FileSystem::Posix()) {
    const DigestCache cache(path(), files, clock_);
    return cache.Get(file, what, [&] {
      ++computed_;
      return Sha256().Update(file.bytes()).Finish();
    });
  }
  Sha256Digest Get(std::string_view what = "bytes") { return GetOf(*Map("model"), what); }
  std::string path() const { return dir_ / "cache/digests"; }
  std::string CacheBytes() const { return *ReadWholeFile(FileSystem::Posix(), path(), 1 << 20); }

  TempDir dir_;
  LateClock clock_;
  int computed_ = 0;
};

TEST_F(DigestCacheTest, RemembersAFileThatStaysAsItIs) {
  const Sha256Digest first = Get();
  EXPECT_EQ(Get(), first);
  EXPECT_EQ(computed_, 1);
  Get("another digest");
  EXPECT_EQ(computed_, 2);
  ASSERT_EQ(rename((dir_ / "model").c_str(), (dir_ / "renamed").c_str()), 0);
  const auto renamed = Map("renamed");  // a rename is a change too: its times tell
  EXPECT_EQ(GetOf(*renamed), first);
}

TEST_F(DigestCacheTest, HashesAFileAgainThatWasWrittenTo) {
  const Sha256Digest first = Get();
  Write("model", "other bytes");
  EXPECT_NE(Get(), first);
  EXPECT_EQ(computed_, 2);
}

// The size stays and the time of the last write is set back: the time of the last change tells.
TEST_F(DigestCacheTest, IsNotFooledByATimeThatWasSetBack) {
  struct stat before {};
  ASSERT_EQ(stat((dir_ / "model").c_str(), &before), 0);
  const Sha256Digest first = Get();
  usleep(20'000);  // beyond the granularity of a file system's clock
  Write("model", "FIRST BYTES");
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, (dir_ / "model").c_str(), times, 0), 0);
  EXPECT_NE(Get(), first);
}

TEST_F(DigestCacheTest, DoesNotRememberWhatWasJustWritten) {
  clock_.later_ms = 0;
  Get();
  Get();
  EXPECT_EQ(computed_, 2);
  clock_.later_ms = -3'600'000;  // a clock that is behind: the file is from the future
  Get();
  Get();
  EXPECT_EQ(computed_, 4);
}

TEST_F(DigestCacheTest, DoesNotRememberAFileThatChangedMeanwhile) {
  const auto file = Map("model");
  const DigestCache cache(path(), FileSystem::Posix(), clock_);
  cache.Get(*file, "bytes", [&] {
    Write("model", "a longer text than before");
    return Sha256Digest{};
  });
  EXPECT_NE(access(path().c_str(), F_OK), 0);
}

TEST_F(DigestCacheTest, EveryDamagedByteCostsTheHashingAndNothingMore) {
  const Sha256Digest first = Get();
  const std::string whole = CacheBytes();
  ASSERT_EQ(whole.size(), 24u + 64u);
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    Write("cache/digests", damaged);
    computed_ = 0;
    EXPECT_EQ(Get(), first) << i;
    EXPECT_EQ(computed_, 1) << i;
    EXPECT_EQ(CacheBytes(), whole) << i;
  }
  for (size_t size = 0; size < whole.size(); ++size) {
    Write("cache/digests", whole.substr(0, size));
    EXPECT_EQ(Get(), first) << size;
  }
  Write("cache/digests", whole + "x");
  computed_ = 0;
  Get();
  EXPECT_EQ(computed_, 1);
}

TEST_F(DigestCacheTest, DoesNotBelieveAFileThatOthersMayWrite) {
  Get();
  ASSERT_EQ(chmod(path().c_str(), 0666), 0);
  Get();
  EXPECT_EQ(computed_, 2);
  Get();  // it was replaced by a private one
  EXPECT_EQ(computed_, 2);
  struct stat info {};
  ASSERT_EQ(stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  if (geteuid() != 0) GTEST_SKIP() << "skipped: only root can give a file to another user";
  ASSERT_EQ(chown(path().c_str(), 1, 1), 0);
  Get();
  EXPECT_EQ(computed_, 3);
}

TEST_F(DigestCacheTest, ACacheThatCannotBeWrittenIsNoError) {
  Write("cache", "a file in the folder's place");
  const Sha256Digest first = Get();
  EXPECT_EQ(Get(), first);
  EXPECT_EQ(computed_, 2);
}

TEST_F(DigestCacheTest, AHomeThatIsNotThereIsNotMade) {
  const DigestCache cache(dir_ / "home/.cache/kvlink/digests", FileSystem::Posix(), clock_);
  cache.Get(*Map("model"), "bytes", [] { return Sha256Digest{}; });
  EXPECT_NE(access((dir_ / "home").c_str(), F_OK), 0);
  ASSERT_EQ(mkdir((dir_ / "home").c_str(), 0755), 0);
  cache.Get(*Map("model"), "bytes", [] { return Sha256Digest{}; });
  EXPECT_EQ(access((dir_ / "home/.cache/kvlink/digests").c_str(), F_OK), 0);
}

TEST_F(DigestCacheTest, HoldsTheLast64) {
  for (int i = 0; i < 70; ++i) Get(std::to_string(i));
  EXPECT_EQ(CacheBytes().size(), 24u + 64u * 64u);
  computed_ = 0;
  Get("69");
  Get("6");
  EXPECT_EQ(computed_, 0);
  Get("5");
  EXPECT_EQ(computed_, 1);
}

TEST_F(DigestCacheTest, BytesAreAsDescribed) {
  const DigestCache cache(path(), FileSystem::Posix(), clock_);
  Sha256Digest digest{};
  for (size_t i = 0; i < digest.size(); ++i) digest[i] = static_cast<uint8_t>(i);
  cache.Get(MadeUpFile(), "golden", [&] { return digest; });
  const std::string bytes = CacheBytes();
  EXPECT_EQ(ToHex(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size())),
            "4b564c4449475354"  // KVLDIGST
            "01000000"
            "01000000"
            "6571acdb9963f308"
            "e7204bb887d34f8731b9d8beded15cac855c72e3a1b96f872a4eff4528168b81"
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
}

}  // namespace
}  // namespace kvlink

// Files as other people leave them: FIFOs, loops of links, closed folders, files that shrink while
// they are mapped, names that were planted.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/bytes.h"
#include "base/file.h"
#include "base/posix_descriptor.h"
#include "support/tiny_model.h"

namespace kvlink {
namespace {

namespace fs = std::filesystem;
using ::kvlink::testing::TempDir;

FileSystem& Files() { return FileSystem::Posix(); }

void Write(const std::string& path, std::string_view text) {
  const Status status = WriteWholeFile(Files(), path, text);
  ASSERT_TRUE(status.ok()) << status.message();
}

const FileInfo* Named(const std::vector<FileInfo>& list, std::string_view name) {
  for (const FileInfo& info : list) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST(OddFiles, AFifoIsRefusedByItsKindAndNotWaitedFor) {
  const TempDir dir;
  ASSERT_EQ(mkfifo((dir / "f").c_str(), 0600), 0);
  for (const Status& status :
       {Files().Read(dir / "f", 100).status(), Files().Map(dir / "f").status(),
        Files().Lock(dir / "f", 0).status()}) {
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status.message();
    EXPECT_NE(status.message().find("FIFO"), std::string::npos) << status.message();
  }
  EXPECT_NE(Files().Read("/dev/null", 100).status().message().find("a device"), std::string::npos);
  EXPECT_NE(Files().Read(dir.path(), 100).status().message().find("a folder"), std::string::npos);
}

TEST(OddFiles, OneOddEntryDoesNotFailTheList) {
  const TempDir dir;
  Write(dir / "a.txt", "text");
  fs::create_symlink("loop", dir / "loop");
  fs::create_symlink("/nowhere", dir / "dangling");
  fs::create_symlink("a.txt", dir / "link");
  fs::create_directory(dir / "folder");
  fs::create_directory_symlink("folder", dir / "to_folder");
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  const auto list = Files().List(dir.path());
  ASSERT_TRUE(list.ok()) << list.status().message();
  ASSERT_EQ(list->size(), 7u);
  EXPECT_EQ(Named(*list, "a.txt")->type, FileType::kFile);
  EXPECT_EQ(Named(*list, "a.txt")->size_bytes, 4);
  EXPECT_GT(Named(*list, "a.txt")->modified_ms, 1'000'000'000'000);
  EXPECT_EQ(Named(*list, "folder")->type, FileType::kDirectory);
  EXPECT_EQ(Named(*list, "fifo")->type, FileType::kOther);
  for (const char* name : {"loop", "dangling", "link", "to_folder"}) {
    EXPECT_EQ(Named(*list, name)->type, FileType::kSymlink) << name;
  }
}

TEST(OddFiles, NotKnowingIsNotAbsence) {
  const TempDir dir;
  Write(dir / "file", "x");
  fs::create_symlink("loop", dir / "loop");
  EXPECT_EQ(Files().Stat(dir / "none").code(), StatusCode::kNotFound);
  EXPECT_EQ(Files().Stat(dir / "file/below").code(), StatusCode::kNotFound);
  EXPECT_EQ(Files().Read(dir / "file/below", 9).code(), StatusCode::kNotFound);
  EXPECT_EQ(Files().Map(dir / "file/below").code(), StatusCode::kNotFound);
  EXPECT_EQ(Files().List(dir / "file/below").code(), StatusCode::kNotFound);
  EXPECT_EQ(Files().OpenFolder(dir / "file/below").code(), StatusCode::kNotFound);
  EXPECT_EQ(Files().List(dir / "file").code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Files().OpenFolder(dir / "file").code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(Files().Stat(dir / "loop").code(), StatusCode::kNotFound);
  EXPECT_NE(Files().Stat(dir / std::string(300, 'n')).code(), StatusCode::kNotFound);
  EXPECT_TRUE(*Exists(Files(), dir / "file"));
  EXPECT_FALSE(*Exists(Files(), dir / "none"));
  EXPECT_FALSE(Exists(Files(), dir / "loop").ok());
}

TEST(OddFiles, AClosedFolderIsNotAnEmptyOne) {
  if (geteuid() == 0) {
    // Root may enter everything: ask as somebody else, in a process of its own.
    const TempDir dir;
    fs::permissions(dir.path(), fs::perms(0755));
    fs::create_directory(dir / "closed");
    Write(dir / "closed/file", "x");
    fs::permissions(dir / "closed", fs::perms(0700));
    const pid_t child = fork();
    if (child == 0) {
      if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
      _exit(Exists(Files(), dir / "closed/file").ok() ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    return;
  }
  const TempDir dir;
  fs::create_directory(dir / "closed");
  fs::permissions(dir / "closed", fs::perms(0));
  EXPECT_FALSE(Exists(Files(), dir / "closed/file").ok());
  fs::permissions(dir / "closed", fs::perms(0700));
}

TEST(OddFiles, WhatIsReadMayGrowAndShrinkMeanwhile) {
  const TempDir dir;
  Write(dir / "a", std::string(1000, 'a'));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) fs::resize_file(dir / "a", i % 2 == 0 ? 0 : 200'000);
  });
  for (int i = 0; i < 2000; ++i) {
    const auto text = Files().Read(dir / "a", 1 << 20);
    ASSERT_TRUE(text.ok()) << text.status().message();
    ASSERT_LE(text->size(), 200'000u);
  }
  stop = true;
  writer.join();
  EXPECT_FALSE(Files().Read("/proc/self/status", 1 << 20)->empty());  // whose size is said to be 0
  EXPECT_EQ(Files().Read("/proc/self/status", 10).code(), StatusCode::kInvalidArgument);
}

TEST(OddFiles, WhatIsMadeIsNewAndFollowsNoLink) {
  const TempDir dir;
  Write(dir / "precious", "keep");
  fs::create_symlink("precious", dir / "planted");
  fs::create_symlink("elsewhere", dir / "planted_too");
  for (const char* name : {"precious", "planted", "planted_too"}) {
    EXPECT_EQ(Files().Create(dir / name, FileAccess::kPrivate).code(),
              StatusCode::kFailedPrecondition)
        << name;
  }
  EXPECT_FALSE(Files().Lock(dir / "planted_too", 0).ok());
  EXPECT_FALSE(fs::exists(dir / "elsewhere"));
  EXPECT_EQ(*ReadWholeFile(Files(), dir / "precious", 10), "keep");
  EXPECT_NE(TemporaryName("x"), TemporaryName("x"));
  EXPECT_TRUE(TemporaryName("x").starts_with("x.tmp-"));
}

// What a killed writer left beside a file goes with the next writing of it; a living one's stays.
TEST(OddFiles, AbandonedTemporaryFilesGo) {
  const TempDir dir;
  auto living = Files().Create(TemporaryName(dir / "a"), FileAccess::kPrivate);
  ASSERT_TRUE(living.ok());
  {
    const auto dead = Files().Create(TemporaryName(dir / "a"), FileAccess::kPrivate);
    ASSERT_TRUE(dead.ok() && (*dead)->Append(AsBytes("half of it")).ok());
  }
  Write(dir / "a.tmp-notes", "the user's");
  Write(dir / "b.tmp-0123456789abcdef", "another file's");
  Write(dir / "a", "text");
  const auto list = Files().List(dir.path());
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->size(), 4u);  // a, the living one, and what is none of ours
  EXPECT_NE(Named(*list, "a.tmp-notes"), nullptr);
  EXPECT_NE(Named(*list, "b.tmp-0123456789abcdef"), nullptr);
  EXPECT_TRUE((*living)->Close().ok());
}

TEST(OddFiles, PrivateIsForTheOwnerAlone) {
  const TempDir dir;
  const mode_t before = umask(0);
  EXPECT_TRUE(Files().CreateDirectories(dir / "a/b", FileAccess::kPrivate).ok());
  EXPECT_TRUE(Files().CreateDirectories(dir / "c", FileAccess::kByUmask).ok());
  EXPECT_TRUE(WriteWholeFile(Files(), dir / "p", "x", FileAccess::kPrivate).ok());
  EXPECT_TRUE(WriteWholeFile(Files(), dir / "u", "x", FileAccess::kByUmask).ok());
  EXPECT_TRUE(Files().Lock(dir / "lock", 0).ok());
  umask(before);
  EXPECT_EQ(ModeOf(dir / "a"), 0700u);
  EXPECT_EQ(ModeOf(dir / "a/b"), 0700u);
  EXPECT_EQ(ModeOf(dir / "c"), 0777u);
  EXPECT_EQ(ModeOf(dir / "p"), 0600u);
  EXPECT_EQ(ModeOf(dir / "u"), 0666u);
  EXPECT_EQ(ModeOf(dir / "lock"), 0600u);
}

TEST(OddFiles, AFolderHeldOpenIsThatFolder) {
  const TempDir dir;
  fs::create_directory(dir / "mine");
  fs::create_directory(dir / "theirs");
  Write(dir / "mine/a", "mine");
  Write(dir / "theirs/a", "theirs");
  const auto folder = Files().OpenFolder(dir / "mine");
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  // Somebody puts a link to another folder in its place.
  fs::rename(dir / "mine", dir / "moved");
  fs::create_directory_symlink("theirs", dir / "mine");
  ASSERT_EQ((*folder)->List()->size(), 1u);
  EXPECT_TRUE((*folder)->Remove("a").ok());
  EXPECT_TRUE(fs::exists(dir / "theirs/a"));
  EXPECT_FALSE(fs::exists(dir / "moved/a"));
  EXPECT_EQ((*folder)->Remove("a").code(), StatusCode::kNotFound);

  const auto link = Files().OpenFolder(dir / "mine/");
  EXPECT_EQ(link.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(link.status().message().find("is a link"), std::string::npos);
  EXPECT_EQ(Files().OpenFolder(dir / "none").code(), StatusCode::kNotFound);
  const auto outer = Files().OpenFolder(dir.path());
  EXPECT_EQ((*outer)->OpenFolder("mine").code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE((*outer)->OpenFolder("theirs").ok());
  for (const char* name : {"", ".", "..", "a/b"}) {
    EXPECT_EQ((*outer)->Remove(name).code(), StatusCode::kInvalidArgument) << name;
    EXPECT_EQ((*outer)->OpenFolder(name).code(), StatusCode::kInvalidArgument) << name;
  }
}

TEST(OddFiles, AFolderHeldOpenMakesAndRenames) {
  const TempDir dir;
  fs::create_directory(dir / "from");
  fs::create_directory(dir / "to");
  const auto from = Files().OpenFolder(dir / "from");
  const auto to = Files().OpenFolder(dir / "to");
  ASSERT_TRUE(from.ok() && to.ok());
  auto file = (*from)->Create("a", FileAccess::kPrivate);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->Append(AsBytes("text")).ok());
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_EQ((*from)->Create("a", FileAccess::kPrivate).code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE((*from)->Rename("a", **to, "b").ok());
  EXPECT_TRUE((*to)->Sync().ok());
  EXPECT_EQ(*ReadWholeFile(Files(), dir / "to/b", 10), "text");
}

int64_t Sum(std::span<const std::byte> bytes) {
  int64_t sum = 0;
  for (const std::byte byte : bytes) sum += static_cast<int64_t>(byte);
  return sum;
}

TEST(Mapping, AFileThatShrinksBecomesZerosAndIsMarked) {
  const TempDir dir;
  const size_t size = 1 << 20;
  Write(dir / "cut", std::string(size, '\1'));
  Write(dir / "whole", std::string(size, '\1'));
  const auto cut = Files().Map(dir / "cut");
  const auto whole = Files().Map(dir / "whole");
  ASSERT_TRUE(cut.ok() && whole.ok());
  EXPECT_EQ(Sum((*cut)->bytes()), static_cast<int64_t>(size));
  EXPECT_TRUE((*cut)->CheckUnchanged().ok());
  EXPECT_FALSE((*cut)->damaged());
  fs::resize_file(dir / "cut", 10'000);
  EXPECT_EQ((*cut)->CheckUnchanged().code(), StatusCode::kDataLoss);  // before any fault
  EXPECT_FALSE((*cut)->damaged());
  const int64_t left = Sum((*cut)->bytes());
  EXPECT_EQ(left, 10'000);
  EXPECT_TRUE((*cut)->damaged());
  EXPECT_EQ((*cut)->CheckUnchanged().code(), StatusCode::kDataLoss);
  (*cut)->Release();
  EXPECT_LE(Sum((*cut)->bytes()), 10'000);
  EXPECT_EQ(Sum((*whole)->bytes()), static_cast<int64_t>(size));
  EXPECT_FALSE((*whole)->damaged());
}

TEST(Mapping, AFileThatWasReplacedOrRemovedIsMappedOn) {
  const TempDir dir;
  Write(dir / "a", "old");
  const auto file = Files().Map(dir / "a");
  ASSERT_TRUE(file.ok());
  Write(dir / "a", "newer");
  EXPECT_TRUE((*file)->CheckUnchanged().ok());
  fs::remove(dir / "a");
  EXPECT_TRUE((*file)->CheckUnchanged().ok());
  EXPECT_EQ(AsText((*file)->bytes()), "old");
}

TEST(Mapping, ManyThreadsFaultAtOnceWhileOthersComeAndGo) {
  const TempDir dir;
  constexpr int kFiles = 4;
  const size_t size = 1 << 20;
  Write(dir / "steady", std::string(5000, '\1'));
  for (int round = 0; round < 20; ++round) {
    std::vector<std::shared_ptr<const MappedFile>> files;
    for (int i = 0; i < kFiles; ++i) {
      const std::string path = dir / std::to_string(round * kFiles + i);
      Write(path, std::string(size, '\1'));
      files.push_back(*Files().Map(path));
      fs::resize_file(path, i % 2 == 0 ? 0 : static_cast<uintmax_t>(size));
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          const auto file = Files().Map(dir / "steady");
          EXPECT_EQ(Sum((*file)->bytes()), 5000);
          EXPECT_FALSE((*file)->damaged());
        }
        const auto& mine = files[t % kFiles];
        EXPECT_EQ(Sum(mine->bytes()), t % 2 == 0 ? 0 : static_cast<int64_t>(size));
        EXPECT_EQ(mine->damaged(), t % 2 == 0);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// A fault that is none of ours ends the process as it always did.
TEST(Mapping, OtherFaultsAreNotOurs) {
  const TempDir dir;
  Write(dir / "ours", "x");
  Write(dir / "other", std::string(10'000, 'x'));
  // Memory that both processes see: a sanitizer's exit status of its own can not be told from ours.
  auto* const came_back = static_cast<volatile char*>(
      mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(came_back, MAP_FAILED);
  const pid_t child = fork();
  if (child == 0) {
    const auto ours = Files().Map(dir / "ours");
    const int fd = open((dir / "other").c_str(), O_RDWR);
    const auto* const data =
        static_cast<const volatile char*>(mmap(nullptr, 10'000, PROT_READ, MAP_SHARED, fd, 0));
    if (ftruncate(fd, 0) == 0) static_cast<void>(data[5000]);
    *came_back = 1;
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(*came_back, 0) << "the read came back";
  EXPECT_NE(status, 0);
}

}  // namespace
}  // namespace kvlink

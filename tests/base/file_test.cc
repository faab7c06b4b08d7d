// The POSIX file system: what it does, and that every failure names the path.
#include "base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/bytes.h"
#include "base/posix_descriptor.h"
#include "support/tiny_model.h"

namespace kvlink {
namespace {

using ::kvlink::testing::TempDir;

FileSystem& Files() { return FileSystem::Posix(); }

std::string Read(const std::string& path) {
  const Result<std::string> text = ReadWholeFile(Files(), path, 1 << 20);
  return text.ok() ? *text : "error: " + text.status().message();
}

TEST(PosixFiles, WriteAndReadBack) {
  const TempDir dir;
  ASSERT_TRUE(WriteWholeFile(Files(), dir / "a", "first").ok());
  ASSERT_TRUE(WriteWholeFile(Files(), dir / "a", "second").ok());
  EXPECT_EQ(Read(dir / "a"), "second");
  ASSERT_TRUE(WriteWholeFile(Files(), dir / "empty", "").ok());
  EXPECT_EQ(Read(dir / "empty"), "");
  // No temporary file stays behind.
  const auto list = Files().List(dir.path());
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].name, "a");
  EXPECT_EQ((*list)[0].size_bytes, 6);
  EXPECT_EQ((*list)[1].name, "empty");
}

TEST(PosixFiles, ReadWholeFileHasALimit) {
  const TempDir dir;
  ASSERT_TRUE(WriteWholeFile(Files(), dir / "a", "12345").ok());
  EXPECT_TRUE(ReadWholeFile(Files(), dir / "a", 5).ok());
  const auto text = ReadWholeFile(Files(), dir / "a", 4);
  EXPECT_EQ(text.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(text.status().message().find(dir / "a"), std::string::npos);
}

TEST(PosixFiles, AMappingOutlivesItsName) {
  const TempDir dir;
  ASSERT_TRUE(WriteWholeFile(Files(), dir / "a", "old").ok());
  const auto file = Files().Map(dir / "a");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(WriteWholeFile(Files(), dir / "a", "new").ok());
  ASSERT_TRUE(Files().Remove(dir / "a").ok());
  EXPECT_EQ(AsText((*file)->bytes()), "old");
}

TEST(PosixFiles, AppendsAddUp) {
  const TempDir dir;
  auto file = Files().Create(dir / "a", FileAccess::kPrivate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append(AsBytes("ab")).ok());
  ASSERT_TRUE((*file)->Append({}).ok());
  ASSERT_TRUE((*file)->Append(AsBytes("c")).ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(Read(dir / "a"), "abc");
}

TEST(PosixFiles, CreateDirectoriesMakesAllAndMindsNoneThatIsThere) {
  const TempDir dir;
  EXPECT_TRUE(Files().CreateDirectories(dir / "x/y/z", FileAccess::kByUmask).ok());
  EXPECT_TRUE(Files().CreateDirectories(dir / "x/y/z", FileAccess::kByUmask).ok());
  EXPECT_TRUE(Files().CreateDirectories(dir / "x/y/", FileAccess::kByUmask).ok());
  EXPECT_TRUE(Files().CreateDirectories("/", FileAccess::kByUmask).ok());
  const auto info = Files().Stat(dir / "x/y/z");
  ASSERT_TRUE(info.ok());
  EXPECT_TRUE(info->is_directory());
  EXPECT_EQ(info->name, "z");
  ASSERT_TRUE(WriteWholeFile(Files(), dir / "file", "").ok());
  EXPECT_EQ(Files().CreateDirectories(dir / "file/below", FileAccess::kByUmask).code(),
            StatusCode::kFailedPrecondition);
}

struct Failure {
  const char* what;
  Status status;
  StatusCode code;
};

TEST(PosixFiles, FailuresNameThePathAndTheCause) {
  const TempDir dir;
  const std::string missing = dir / "missing/file";
  const std::string folder = dir / "folder";
  ASSERT_TRUE(Files().CreateDirectories(folder, FileAccess::kByUmask).ok());
  const Failure failures[] = {
      {"map", Files().Map(missing).status(), StatusCode::kNotFound},
      {"create", Files().Create(missing, FileAccess::kPrivate).status(), StatusCode::kNotFound},
      {"rename", Files().Rename(missing, dir / "x"), StatusCode::kNotFound},
      {"remove", Files().Remove(missing), StatusCode::kNotFound},
      {"sync", Files().SyncDirectory(missing), StatusCode::kNotFound},
      {"list", Files().List(missing).status(), StatusCode::kNotFound},
      {"stat", Files().Stat(missing).status(), StatusCode::kNotFound},
      {"lock", Files().Lock(missing, 0).status(), StatusCode::kNotFound},
      {"write", WriteWholeFile(Files(), missing, "x"), StatusCode::kNotFound},
      {"map folder", Files().Map(folder).status(), StatusCode::kFailedPrecondition},
      {"create folder", Files().Create(folder, FileAccess::kPrivate).status(),
       StatusCode::kFailedPrecondition},
  };
  for (const Failure& failure : failures) {
    EXPECT_EQ(failure.status.code(), failure.code) << failure.what;
    EXPECT_NE(failure.status.message().find(dir.path()), std::string::npos)
        << failure.what << ": " << failure.status.message();
    EXPECT_EQ(failure.status.message().find('\n'), std::string::npos) << failure.what;
  }
  EXPECT_NE(failures[0].status.message().find("No such file"), std::string::npos);
  EXPECT_EQ(Files().Map(std::string("a\0b", 3)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Files().Map("/dev/null").code(), StatusCode::kFailedPrecondition);
}

TEST(PosixFiles, AFullDiskIsResourceExhausted) {
  if (!Files().Stat("/dev/full").ok()) GTEST_SKIP() << "skipped: there is no /dev/full here";
  auto file = NewPosixWritableFile("/dev/full", Descriptor(open("/dev/full", O_WRONLY)));
  const Status status = file->Append(AsBytes("x"));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("/dev/full"), std::string::npos);
}

TEST(PosixFiles, AFailedWriteWholeFileLeavesTheOldOne) {
  const TempDir dir;
  ASSERT_TRUE(Files().CreateDirectories(dir / "target/below", FileAccess::kByUmask).ok());
  EXPECT_FALSE(WriteWholeFile(Files(), dir / "target", "x").ok());  // a folder is in the way
  const auto list = Files().List(dir.path());
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->size(), 1u);
}

TEST(PosixLock, OneAtATimeWithinAProcess) {
  const TempDir dir;
  auto first = Files().Lock(dir / "lock", 0);
  ASSERT_TRUE(first.ok());
  const auto second = Files().Lock(dir / "lock", 5);
  EXPECT_EQ(second.code(), StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find(dir / "lock"), std::string::npos);
  std::thread releaser([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    (*first).reset();
  });
  EXPECT_TRUE(Files().Lock(dir / "lock", 10'000).ok());
  releaser.join();
}

TEST(PosixLock, GoesWithTheProcessThatHeldIt) {
  const TempDir dir;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = Files().Lock(dir / "lock", 0);
    const char ok = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &ok, 1) != 1) _exit(1);
    while (true) pause();
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_EQ(Files().Lock(dir / "lock", 0).code(), StatusCode::kUnavailable);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(Files().Lock(dir / "lock", 1'000).ok());
  close(ready[0]);
  close(ready[1]);
}

// A lock that this process holds is given up here even while a forked child lives on.
TEST(PosixLock, ReleasedDespiteAForkedChild) {
  const TempDir dir;
  auto lock = Files().Lock(dir / "lock", 0);
  ASSERT_TRUE(lock.ok());
  const pid_t child = fork();
  if (child == 0) {
    while (true) pause();
  }
  lock = Unavailable("let go");
  EXPECT_TRUE(Files().Lock(dir / "lock", 0).ok());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(PosixFiles, SignalsDoNotBreakWrites) {
  const TempDir dir;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, &before);  // without SA_RESTART: calls do give EINTR
  const itimerval often{{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &often, nullptr);
  // A FIFO blocks its writer, so that the signals find it inside write().
  const std::string contents(1 << 20, 'x');
  ASSERT_EQ(0, mkfifo((dir / "fifo").c_str(), 0600));
  int64_t received = 0;
  std::thread reader([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    FILE* const fifo = fopen((dir / "fifo").c_str(), "r");
    std::string buffer(4096, 0);
    while (const size_t n = fread(buffer.data(), 1, buffer.size(), fifo)) {
      received += static_cast<int64_t>(n);
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    fclose(fifo);
  });
  const int fd = RetryInterrupted([&] { return open((dir / "fifo").c_str(), O_WRONLY); });
  auto file = NewPosixWritableFile("fifo", Descriptor(fd));
  const Status status = file->Append(AsBytes(contents));
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(file->Close().ok());
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  reader.join();
  sigaction(SIGALRM, &before, nullptr);
  EXPECT_EQ(received, static_cast<int64_t>(contents.size()));
}

}  // namespace
}  // namespace kvlink

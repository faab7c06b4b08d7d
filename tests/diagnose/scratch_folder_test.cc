// Scratch folders: gone at the end, and cleared after a kill.
#include "diagnose/scratch_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/tiny_model.h"

namespace kvlink::diagnose {
namespace {

namespace fs = std::filesystem;

TEST(ScratchFolder, IsClearedAfterAKillAndNotWhileItsOwnerLives) {
  const testing::TempDir dir;
  const char* const before = getenv("TMPDIR");
  const std::string old = before == nullptr ? "" : before;
  setenv("TMPDIR", dir.path().c_str(), 1);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto folder = ScratchFolder::Create();
    std::ofstream((*folder)->path() + "/blocks") << "large";
    if (write(ready[1], "y", 1) != 1) _exit(1);
    while (true) pause();
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  const auto count = [&] { return std::distance(fs::directory_iterator(dir.path()), {}); };
  {
    const auto mine = ScratchFolder::Create();
    ASSERT_TRUE(mine.ok());
    EXPECT_EQ(count(), 2);
  }
  EXPECT_EQ(count(), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  {
    const auto mine = ScratchFolder::Create();
    ASSERT_TRUE(mine.ok());
    EXPECT_EQ(count(), 1);
  }
  EXPECT_EQ(count(), 0);
  // Folders of other origin stay, whatever their names.
  for (const char* name :
       {"kvlink-scratch-notes", "kvlink-scratch-Abc123", "kvlink-scratch-Def456"}) {
    fs::create_directory(dir / name);
    std::ofstream((dir / name) + "/thesis.txt") << "x";
  }
  fs::permissions(dir / "kvlink-scratch-Def456", fs::perms::owner_all);  // no lock in it
  std::ofstream(dir / "kvlink-scratch-Abc123/.owner") << "";             // others may look into it
  ASSERT_TRUE(ScratchFolder::Create().ok());
  EXPECT_EQ(count(), 3);
  for (const auto& entry : fs::directory_iterator(dir.path())) {
    EXPECT_TRUE(fs::exists(entry.path() / "thesis.txt")) << entry.path();
  }
  if (before == nullptr) {
    unsetenv("TMPDIR");
  } else {
    setenv("TMPDIR", old.c_str(), 1);
  }
  close(ready[0]);
  close(ready[1]);
}

}  // namespace
}  // namespace kvlink::diagnose

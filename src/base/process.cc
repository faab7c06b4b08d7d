#include "base/process.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

namespace kvlink {

int64_t ProcessId() { return getpid(); }

// Entries of /proc/self/task are the process's threads: links of a folder, without `.` and `..`.
bool HasSeveralThreads() {
  struct stat st {};
  return stat("/proc/self/task", &st) != 0 || st.st_nlink > 3;
}

std::string BootId() {
  constexpr int64_t kMostBytes = 64;
  const auto id = FileSystem::Posix().Read("/proc/sys/kernel/random/boot_id", kMostBytes);
  return id.ok() ? *id : "";
}

}  // namespace kvlink

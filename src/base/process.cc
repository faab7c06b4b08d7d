#include "base/process.h"

#include <sys/stat.h>
#include <unistd.h>

namespace kvlink {

int64_t ProcessId() { return getpid(); }

// Entries of /proc/self/task are the process's threads: links of a folder, without `.` and `..`.
bool HasSeveralThreads() {
  struct stat st {};
  return stat("/proc/self/task", &st) != 0 || st.st_nlink > 3;
}

}  // namespace kvlink

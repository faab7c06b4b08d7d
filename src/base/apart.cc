#include "base/apart.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "base/bytes.h"
#include "base/guarded.h"

namespace kvlink {
namespace {

constexpr char kNoMemory[] = "it takes more memory than such a file should";

// Address space of this process; -1: not known. The files of models that are mapped count, so a
// limit stands above it.
int64_t AddressSpaceBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return -1;
  long long pages = -1;  // NOLINT: as %lld wants it
  if (std::fscanf(file, "%lld", &pages) != 1) pages = -1;
  std::fclose(file);
  return pages < 0 ? -1 : static_cast<int64_t>(pages) * sysconf(_SC_PAGESIZE);
}

void Limit(decltype(RLIMIT_AS) what, int64_t value) {
  struct rlimit limit = {};
  if (getrlimit(what, &limit) != 0) return;
  const auto wanted = static_cast<rlim_t>(value);
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) return;
  limit.rlim_cur = wanted;
  (void)setrlimit(what, &limit);
}

bool WriteAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// The forked process: works, writes a code, a size and so many bytes, and ends.
[[noreturn]] void WorkInChild(int out, const ApartLimits& limits, int64_t address_space,
                              const std::function<Result<std::string>()>& work) {
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU, SIGPIPE, SIGTERM}) {
    (void)std::signal(signal, SIG_DFL);
  }
  // What libraries print about such files is not for the user.
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nowhere >= 0) {
    (void)dup2(nowhere, STDOUT_FILENO);
    (void)dup2(nowhere, STDERR_FILENO);
  }
  Limit(RLIMIT_CORE, 0);
  Limit(RLIMIT_CPU, limits.cpu_s);
  if (address_space >= 0) Limit(RLIMIT_AS, address_space + limits.memory_bytes);
  const Result<std::string> result = Guarded(kNoMemory, work);
  const std::string& bytes = result.ok() ? *result : result.status().message();
  std::string head;
  AppendValue(&head, static_cast<uint8_t>(result.code()));
  AppendValue<uint64_t>(&head, bytes.size());
  const bool written = WriteAll(out, head) && WriteAll(out, bytes);
  _exit(written ? 0 : 1);
}

// All that comes up to the pipe's end; false: `deadline` came first, or there is too much.
bool ReadAll(int in, std::chrono::steady_clock::time_point deadline, int64_t most,
             std::string* bytes) {
  char buffer[1 << 16];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{in, POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left.count(), 60'000)));
    if (ready <= 0) continue;  // a signal, or not yet
    const ssize_t got = read(in, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    bytes->append(buffer, static_cast<size_t>(got));
    if (static_cast<int64_t>(bytes->size()) > most) return false;
  }
}

// The end of a process that was not done.
Status Unfinished(int wait_status, bool killed, const ApartLimits& limits) {
  const int signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
  if (killed || signal == SIGXCPU) {
    return InvalidArgument("it takes more than " + std::to_string(limits.cpu_s) +
                           " s of processor time, more than such a file should");
  }
  return InvalidArgument("its reader gave up on it" +
                         (signal == 0 ? "" : " (signal " + std::to_string(signal) + ")") +
                         ": damaged, or made to break readers");
}

}  // namespace

Result<std::string> RunApart(const ApartLimits& limits,
                             const std::function<Result<std::string>()>& work) {
  const int64_t address_space = AddressSpaceBytes();
  int ends[2] = {-1, -1};
  pid_t child = -1;
  {
    // A process forked meanwhile would hold the pipe's writing end open.
    static std::mutex forking;
    const std::lock_guard lock(forking);
    if (pipe2(ends, O_CLOEXEC) != 0) {
      return Unavailable(std::string("no pipe to read it apart: ") + std::strerror(errno));
    }
    child = fork();
    if (child == 0) WorkInChild(ends[1], limits, address_space, work);
    const int fault = errno;
    (void)close(ends[1]);
    if (child < 0) {
      (void)close(ends[0]);
      return Unavailable(std::string("no process to read it apart: ") + std::strerror(fault));
    }
  }
  std::string bytes;
  // By the clock, too: a process may wait for nothing.
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(30 + 10 * limits.cpu_s);
  const bool ended = ReadAll(ends[0], deadline, limits.memory_bytes, &bytes);
  (void)close(ends[0]);
  if (!ended) (void)kill(child, SIGKILL);
  int wait_status = 0;
  while (waitpid(child, &wait_status, 0) < 0 && errno == EINTR) {
  }
  ByteReader reader(AsBytes(bytes));
  uint8_t code = 0;
  uint64_t size = 0;
  if (!ended || !reader.Read(&code) || !reader.Read(&size) || size != reader.remaining() ||
      code > static_cast<uint8_t>(StatusCode::kInternal)) {
    return Unfinished(wait_status, !ended, limits);
  }
  bytes.erase(0, reader.offset());
  if (code != 0) return Status(static_cast<StatusCode>(code), std::move(bytes));
  return bytes;
}

}  // namespace kvlink

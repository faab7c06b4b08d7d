#include "tensor/thread_team.h"

#include <omp.h>
#include <pthread.h>
#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/process.h"

namespace kvlink::tensor {
namespace {

// What oneDNN's kernels and ours need of a thread's stack, amply.
constexpr size_t kLeastStackBytes = 256 << 10;
// Rounding to nearest, denormal numbers kept, no exception that traps: programs that were linked
// with -ffast-math set it otherwise for every thread that they start.
constexpr unsigned kPlainMode = 0x1f80, kModeBits = 0xffc0;  // without the sticky flags

thread_local int scopes = 0;          // open on this thread
thread_local int last_team = 1;       // how many threads this thread's pool has, by the last scope
thread_local bool pool_died = false;  // PoolDiedInFork
thread_local unsigned mode_before = 0;  // of a member, while a scope is open; 0: it came later
bool several_threads_at_fork = false;   // written and read by the thread that forks

const bool watches_forks = [] {
  return pthread_atfork([] { several_threads_at_fork = HasSeveralThreads(); }, nullptr,
                        [] { pool_died = pool_died || several_threads_at_fork; }) == 0;
}();

// The stack that libgomp gives its threads, as it reads it: a number of KiB, or with B, K, M, G.
size_t StackSetting() {
  const char* text = std::getenv("OMP_STACKSIZE");
  if (text == nullptr) text = std::getenv("GOMP_STACKSIZE");
  if (text == nullptr) return 0;
  char* end = nullptr;
  const uint64_t number = std::strtoull(text, &end, 10);
  while (std::isspace(static_cast<unsigned char>(*end)) != 0) ++end;
  const int unit = std::toupper(static_cast<unsigned char>(*end));
  const int shift = unit == 'B' ? 0 : unit == 'M' ? 20 : unit == 'G' ? 30 : 10;
  return number > (SIZE_MAX >> shift) ? SIZE_MAX : static_cast<size_t>(number << shift);
}

// libgomp ends the process when it cannot make a thread. So as many are tried beforehand, all at
// once, with the same stacks. Returns how many the system gave, at most `wanted`.
int ThreadsToBeHad(int wanted) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
  } gate;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return 0;
  if (const size_t stack = StackSetting(); stack != 0) {
    (void)pthread_attr_setstacksize(&attributes, stack);  // libgomp goes on without, too
  }
  std::vector<pthread_t> made;
  made.reserve(static_cast<size_t>(wanted));
  for (int i = 0; i < wanted; ++i) {
    pthread_t thread;
    const auto wait = [](void* at) -> void* {
      auto* g = static_cast<Gate*>(at);
      std::unique_lock lock(g->mutex);
      g->opened.wait(lock, [&] { return g->open; });
      return nullptr;
    };
    if (pthread_create(&thread, &attributes, wait, &gate) != 0) break;
    made.push_back(thread);
  }
  pthread_attr_destroy(&attributes);
  {
    const std::lock_guard lock(gate.mutex);
    gate.open = true;
  }
  gate.opened.notify_all();
  for (const pthread_t thread : made) pthread_join(thread, nullptr);
  return static_cast<int>(made.size());
}

// Of a thread that is not the process's first, whose stack grows.
size_t StackBytes() {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return SIZE_MAX;
  void* address = nullptr;
  size_t bytes = SIZE_MAX;
  if (pthread_attr_getstack(&attributes, &address, &bytes) != 0) bytes = SIZE_MAX;
  pthread_attr_destroy(&attributes);
  return bytes;
}

}  // namespace

bool PoolDiedInFork() { return pool_died; }

TeamScope::TeamScope(int threads) : outermost_(scopes == 0) {
  ++scopes;
  if (!outermost_) {
    threads_ = omp_get_max_threads();
    return;
  }
  had_threads_ = omp_get_max_threads();
  had_dynamic_ = omp_get_dynamic();
  had_levels_ = omp_get_max_active_levels();
  omp_set_dynamic(0);
  // A team inside the caller's would take threads that others of his regions may hold.
  const bool alone = omp_in_parallel() != 0 || pool_died;
  if (!alone && had_levels_ < 1) omp_set_max_active_levels(1);
  // A constructor that throws has no destructor: the scope would stay open for ever.
  status_ = Guarded("there is no memory to start threads: close other programs", [&] {
    return Settle(alone ? 1 : std::max(1, threads > 0 ? threads : had_threads_));
  });
}

Status TeamScope::Settle(int wanted) {
  wanted = std::min(wanted, omp_get_thread_limit());
  const bool grows = wanted > last_team;
  if (grows) wanted = std::max(last_team, 1 + ThreadsToBeHad(wanted - 1));
  size_t least_stack = SIZE_MAX;
  bool first = true, other_modes = false;
  // Ends: a team of one is what one thread always gets.
  for (int came = 0; came != wanted; first = false) {
    if (!first) wanted = wanted > came ? came : 1;
    omp_set_num_threads(wanted);
    came = 0;
#pragma omp parallel reduction(min : least_stack) reduction(|| : other_modes) reduction(+ : came)
    {
      came = 1;
      if (first) {
        mode_before = _mm_getcsr();
        other_modes = (mode_before & kModeBits) != (kPlainMode & kModeBits);
        _mm_setcsr(kPlainMode);
      }
      if (grows && omp_get_thread_num() != 0) least_stack = StackBytes();
    }
  }
  restores_modes_ = other_modes;
  threads_ = wanted;
  if (wanted > 1) last_team = wanted;  // a team of one leaves the pool as it is
  if (least_stack < kLeastStackBytes) {
    last_team = 1;  // so that the next scope looks again
    return FailedPrecondition(
        "OpenMP's threads have stacks of " + std::to_string(least_stack >> 10) +
        " KiB and computing needs " + std::to_string(kLeastStackBytes >> 10) +
        ": set OMP_STACKSIZE (or the limit of ulimit -s) higher, or unset it");
  }
  return {};
}

TeamScope::~TeamScope() {
  --scopes;
  if (!outermost_) return;
  if (restores_modes_) {
    const unsigned mine = mode_before;
#pragma omp parallel
    {
      // libgomp may have ended threads meanwhile and started others.
      _mm_setcsr(mode_before != 0 ? mode_before : mine);
      mode_before = 0;
    }
  }
  omp_set_num_threads(had_threads_);
  omp_set_dynamic(had_dynamic_);
  if (omp_get_max_active_levels() != had_levels_) omp_set_max_active_levels(had_levels_);
}

}  // namespace kvlink::tensor

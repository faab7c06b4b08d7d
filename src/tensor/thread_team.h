// The OpenMP threads that a pass is computed with. oneDNN shares work out for omp_get_max_threads()
// beforehand and a team that comes out smaller leaves its share unwritten; what is asked for and
// what comes differ under OMP_THREAD_LIMIT, OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS, in a parallel
// region of the caller's, after fork(). So a scope settles the caller's settings, measures the team
// that comes, and asks for that many from then on. Not here: how many threads are worth it
// (base/cpu_count.h). Place on the main path: Model::Forward opens one around every pass.
#pragma once

#include "kvlink/status.h"

namespace kvlink::tensor {

// Open around everything that runs oneDNN or a parallel region of ours. Scopes nest: an inner one
// changes nothing. When the outermost closes, the calling thread's OpenMP settings are what they
// were. Costs an empty parallel region, microseconds. Thread promise: one thread's own object.
class TeamScope {
 public:
  // threads: as many as are wanted; 0: as the calling thread is set.
  explicit TeamScope(int threads);
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

  // Not OK: nothing may be computed. kFailedPrecondition: OpenMP's threads have too little stack.
  const Status& status() const { return status_; }
  // What a parallel region gets, and what omp_get_max_threads() says, until the scope closes.
  int threads() const { return threads_; }

 private:
  Status Settle(int wanted);

  Status status_;
  int threads_ = 1;
  bool outermost_ = false;
  bool restores_modes_ = false;  // of the team's floating point
  int had_threads_ = 1, had_dynamic_ = 0, had_levels_ = 1;
};

// True in a process that fork() made of one with several threads, on the thread that forked: the
// threads of its OpenMP pool are not there any more, and a region that wakes them waits for ever.
bool PoolDiedInFork();

}  // namespace kvlink::tensor

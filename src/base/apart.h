// Work on bytes that may break a library (a parser that aborts, recurses without end, or takes all
// memory): done in a process of its own, whose end is a Status here. Not for work that needs other
// threads, writes files, or takes locks that another thread may hold: the process is a fork.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kvlink/status.h"

namespace kvlink {

struct ApartLimits {
  int64_t memory_bytes = 1 << 30;  // beyond what this process has; of the result, too
  int64_t cpu_s = 10;              // processor time
};

// What `work` returns. It may return any bytes. kInvalidArgument: the process ended before it was
// done: by a signal, or above a limit. kUnavailable: no process can be started. Thread-safe.
Result<std::string> RunApart(const ApartLimits& limits,
                             const std::function<Result<std::string>()>& work);

}  // namespace kvlink

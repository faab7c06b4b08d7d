// How many threads are worth it: the processors this process may run on, and no more than its
// control groups let it use at once. Not here: the team that comes (tensor/thread_team.h).
#pragma once

#include <cstdint>
#include <string>

namespace kvlink {

// At least 1. A quota of one and a half processors counts as 2, half a one as 1: more threads would
// only stand still together. `root` stands before /proc and /sys, for tests.
int32_t UsableProcessors(const std::string& root = "");

// The least quota of the process's control groups and those above them (cgroup v1 and v2), in
// processors; 0: none is set, or none can be read.
double ProcessorQuota(const std::string& root = "");

struct ThreadChoice {
  int32_t threads = 1;
  std::string warning;  // one line, if fewer than were asked for
};

// asked <= 0: as many as there are processors to use.
ThreadChoice ChooseThreads(int32_t asked, int32_t usable = UsableProcessors());

}  // namespace kvlink

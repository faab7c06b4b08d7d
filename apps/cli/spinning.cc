#include "cli/spinning.h"

#include <unistd.h>

#include <cstdlib>

namespace kvlink::cli {

void RestartWithShortSpins(char** argv) {
  if (getenv("GOMP_SPINCOUNT") != nullptr || getenv("OMP_WAIT_POLICY") != nullptr) return;
  // Some microseconds: what a barrier takes when every thread has a core.
  if (setenv("GOMP_SPINCOUNT", "1000", /*overwrite=*/0) != 0) return;
  execv("/proc/self/exe", argv);
}

}  // namespace kvlink::cli

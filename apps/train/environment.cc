#include "train/environment.h"

#include <unistd.h>

#include <cstdlib>

namespace kvlink::train_app {

void RestartForTorch(char** argv) {
  constexpr const char* kMark = "KVLINK_TRAIN_STARTED";
  if (getenv(kMark) != nullptr) return;
  setenv(kMark, "1", 1);
  setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  setenv("MALLOC_MMAP_MAX_", "0", 0);
  setenv("MALLOC_TRIM_THRESHOLD_", "100000000000", 0);
  setenv("MALLOC_TOP_PAD_", "268435456", 0);
  execv("/proc/self/exe", argv);
}

}  // namespace kvlink::train_app

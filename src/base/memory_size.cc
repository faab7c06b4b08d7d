#include "base/memory_size.h"

#include <unistd.h>

#include <algorithm>

namespace kvlink {

int64_t PhysicalMemoryBytes() {
  const int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  return std::max<int64_t>(pages > 0 && page > 0 ? pages * page : 0, int64_t{1} << 30);
}

}  // namespace kvlink

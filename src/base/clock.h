// Time as the rest of the program sees it, so that tests can stand still.
#pragma once

#include <cstdint>

namespace kvlink {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  static Clock& System();
  virtual int64_t UnixMs() = 0;      // wall clock, for what is recorded
  virtual double MonotonicMs() = 0;  // for durations
};

}  // namespace kvlink

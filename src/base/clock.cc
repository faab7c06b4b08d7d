// The system's clocks behind Clock.
#include "base/clock.h"

#include <chrono>

namespace kvlink {
namespace {

class SystemClock : public Clock {
 public:
  int64_t UnixMs() override {
    namespace chrono = std::chrono;
    return chrono::duration_cast<chrono::milliseconds>(
               chrono::system_clock::now().time_since_epoch())
        .count();
  }
  double MonotonicMs() override {
    namespace chrono = std::chrono;
    return chrono::duration<double, std::milli>(chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace

Clock& Clock::System() {
  static SystemClock clock;
  return clock;
}

}  // namespace kvlink

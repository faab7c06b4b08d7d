// The system's clocks behind Clock.
#include "base/clock.h"

#include <chrono>

namespace kvlink {
namespace {

class SystemClock : public Clock {
 public:
  int64_t UnixMs() override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  }
  double MonotonicMs() override {
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
  }
};

}  // namespace

Clock& Clock::System() {
  static SystemClock clock;
  return clock;
}

}  // namespace kvlink

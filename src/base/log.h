// The logging seam: the library speaks into a Log that the program gave it, and prints nothing.
#pragma once

#include <functional>
#include <string_view>

namespace kvlink {

enum class Severity { kDebug, kInfo, kWarning, kError };

// Thread-safe if its sink is. An empty sink drops everything.
class Log {
 public:
  using Sink = std::function<void(Severity, std::string_view)>;
  Log() = default;
  explicit Log(Sink sink) : sink_(std::move(sink)) {}
  void operator()(Severity severity, std::string_view message) const {
    if (sink_) sink_(severity, message);
  }

 private:
  Sink sink_;
};

}  // namespace kvlink

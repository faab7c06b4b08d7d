// What the store says while it works on a thread of its own, held until a thread of the engine's
// caller passes it on: EngineOptions::warn is called on no other.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvlink::kv {

// Thread-safe.
class StoreWarnings {
 public:
  void Add(std::string_view message) {
    const std::lock_guard lock(mutex_);
    messages_.emplace_back(message);
  }
  void PassOn(const std::function<void(std::string_view)>& warn) {
    std::vector<std::string> messages;
    {
      const std::lock_guard lock(mutex_);
      messages = std::exchange(messages_, {});
    }
    for (const std::string& message : messages) {
      if (warn) warn(message);
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> messages_;
};

}  // namespace kvlink::kv

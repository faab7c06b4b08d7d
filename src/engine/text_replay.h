// A sink for an answer that may be started again: what was shown already is not shown twice. Not
// here: when and why it is started again (answer.cc).
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "kvlink/engine.h"

namespace kvlink {

// Owner: one answer, one thread.
class TextReplay {
 public:
  explicit TextReplay(TextSink to) : to_(std::move(to)) {}

  // What the answer writes to; lives as long as this. Empty if there is nobody to show it to.
  TextSink sink() {
    if (!to_) return {};
    return [this](std::string_view text) { return Write(text); };
  }
  void Restart() { at_ = 0; }
  // kDataLoss: the second time the text was another, and nothing more was shown.
  Status status() const { return status_; }

 private:
  bool Write(std::string_view text);

  TextSink to_;
  std::string shown_;
  size_t at_ = 0;  // how much of it this start has said again
  Status status_;
};

}  // namespace kvlink

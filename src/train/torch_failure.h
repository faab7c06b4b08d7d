// What Torch says when it fails, as a message of one line, and where its exceptions stop.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "base/guarded.h"

namespace kvlink::train {

// Behind the first line stands where in Torch.
inline std::string FirstLineOf(const std::exception& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

// What `work` returns. What it throws becomes a Status: memory that the standard library had not is
// kResourceExhausted with `no_memory` as its message, all else is Torch's (c10::Error).
template <class Work>
auto GuardedTorch(const char* no_memory, Work&& work) -> decltype(work()) {
  return Guarded(no_memory, std::forward<Work>(work),
                 [](const std::exception& error) { return "Torch failed: " + FirstLineOf(error); });
}

}  // namespace kvlink::train

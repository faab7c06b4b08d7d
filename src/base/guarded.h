// Exceptions stop here: the standard library throws where memory ends or a length is absurd, and
// neither a caller of the library nor a parallel region may see it. Not here: libraries whose own
// exceptions stop in the file that includes them.
#pragma once

#include <atomic>
#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "kvlink/status.h"

namespace kvlink {

// How Guarded tells of what it was not told to expect.
inline std::string DescribeBug(const std::exception& e) {
  return std::string("bug: an exception that nobody expected: ") + e.what();
}

// What `work` returns (a Status or a Result). What it throws becomes a Status: kResourceExhausted
// for memory, with `no_memory` as its message, kInternal for anything else, as `describe` puts it.
template <class Work>
auto Guarded(const char* no_memory, Work&& work,
             std::string (*describe)(const std::exception&) = DescribeBug) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted(no_memory);
  } catch (const std::length_error&) {  // as resize() says it
    return ResourceExhausted(no_memory);
  } catch (const std::exception& e) {
    return Internal(describe(e));
  } catch (...) {
    return Internal("bug: an exception of no known kind");
  }
}

// The same for a program: what `work` returns is the exit status; an exception is one line on
// standard error and 1. Takes no memory itself.
template <class Work>
int GuardedMain(const char* program, Work&& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "%s: there is not enough memory; close other programs\n", program);
  } catch (const std::length_error&) {
    std::fprintf(stderr, "%s: there is not enough memory; close other programs\n", program);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: bug: an exception that nobody expected: %s\n", program, e.what());
  } catch (...) {
    std::fprintf(stderr, "%s: bug: an exception of no known kind\n", program);
  }
  return 1;
}

// Carries the first exception out of a parallel region, which none may leave. Thread-safe.
class ParallelGuard {
 public:
  // Runs `work` unless another share has failed.
  template <class Work>
  void Run(Work&& work) noexcept {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      work();
    } catch (...) {
      if (!failed_.exchange(true)) exception_ = std::current_exception();
    }
  }
  // Behind the region: throws what was caught in it.
  void Rethrow() {
    if (failed_) std::rethrow_exception(exception_);
  }

 private:
  std::atomic<bool> failed_{false};
  std::exception_ptr exception_;
};

}  // namespace kvlink

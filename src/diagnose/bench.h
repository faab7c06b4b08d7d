// `kvlink bench`: the engine's rates on this machine, measured on the real model. Random token ids
// and made-up words: weights, not meaning, decide the time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/bench_subject.h"
#include "kvlink/engine.h"
#include "kvlink/status.h"

namespace kvlink::diagnose {

struct BenchFigure {
  std::string key;   // "prefill_512"
  std::string unit;  // "tokens/s", "ms"
  double median = 0;
  double best = 0;
  int runs = 0;
};

struct BenchReport {
  std::vector<BenchFigure> figures;
  BenchSubject subject;
  int64_t peak_bytes = 0;  // of the process
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;      // in use by the linked answer
  int64_t kv_own_bytes = 0;  // of it, what the request owned
};

// Every figure's key, in the order of the report.
std::vector<std::string> BenchKeys();

struct BenchOptions {
  bool quick = false;             // fewer runs, no 2,048-token prefill
  std::vector<std::string> only;  // of BenchKeys(); empty: all
  std::string link_file;          // timed too, as ttft_link_file_ms, or warned of; empty: none
};

Result<BenchReport> RunBench(const EngineOptions& options, const BenchOptions& bench,
                             const std::function<void(std::string_view)>& progress);

}  // namespace kvlink::diagnose

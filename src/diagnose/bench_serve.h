// `kvlink bench serve`: many requests at once over shared documents, without HTTP.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/bench_subject.h"
#include "kvlink/engine.h"
#include "kvlink/status.h"

namespace kvlink::diagnose {

// So many requests were in flight all the time.
struct ServeRow {
  int requests = 0;
  double tokens_per_s = 0;  // of all together
  double ttft_p50_ms = 0, ttft_p95_ms = 0;
  int answers = 0;
  int differ = 0;  // answers that are not what the same request gets alone
  // How much the process's resident memory grew from a quarter of the answers to the last one.
  // Nothing: too few answers to tell.
  std::optional<double> memory_growth_percent;
};

// A short linked question that arrives while a long prompt is computed.
struct BehindPrefill {
  int64_t prefill_tokens = 0;  // of the long prompt, by full attention
  double ttft_alone_ms = 0, ttft_behind_ms = 0;
};

struct ServeReport {
  std::vector<ServeRow> rows;
  BehindPrefill behind_prefill;
  BenchSubject subject;
};

struct ServeOptions {
  std::vector<int> requests = {1, 2, 4, 8, 16};  // in flight, a row each
  int answers = 0;  // a row's; 0: twice as many as in flight, 8 at least
};

// Each request links five of ten documents, whose blocks are kept, and is answered by 64 tokens.
// kInvalidArgument: a number of requests that is not 1 to 256, a negative number of answers.
Result<ServeReport> RunBenchServe(const EngineOptions& options, const ServeOptions& bench,
                                  const std::function<void(std::string_view)>& progress);

}  // namespace kvlink::diagnose

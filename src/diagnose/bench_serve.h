// `kvlink bench serve`: many requests at once over shared documents, without HTTP.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/engine.h"
#include "kvlink/status.h"

namespace kvlink::diagnose {

// So many requests were in flight all the time.
struct ServeRow {
  int requests = 0;
  double tokens_per_s = 0;  // of all together
  double ttft_p50_ms = 0, ttft_p95_ms = 0;
  int differ = 0;  // answers that are not what the same request gets alone
};

struct ServeReport {
  std::vector<ServeRow> rows;
  std::string cpu, model, dtype, compute;
  int threads = 0;
};

// Each request links five of ten documents, whose blocks are kept, and is answered by 64 tokens.
// kInvalidArgument: a number of requests that is not 1 to 256.
Result<ServeReport> RunBenchServe(const EngineOptions& options, const std::vector<int>& requests,
                                  const std::function<void(std::string_view)>& progress);

}  // namespace kvlink::diagnose

// `kvlink check`: does linking hold on this model and this machine? Runs the real paths and
// compares; assumes nothing from the tests.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/engine.h"
#include "kvlink/status.h"

namespace kvlink::diagnose {

struct CheckItem {
  std::string name;     // "linked_equals_masked"
  std::string what;     // one line for people: what was compared
  std::string result;   // one line: the figures
  double value = 0;     // the figure that decides
  double limit = 0;     // what it may be at most; 0 for a figure without a limit
  bool is_gate = true;  // false: a figure only
  bool passed = true;
};

struct CheckReport {
  std::vector<CheckItem> items;
  bool passed = true;     // all gates
  std::string gate_note;  // "not gated: no link file", or what the link file records
};

// options.store_path is not used: blocks go through a store in a temporary folder.
// `progress` (may be empty) hears the name of each step before it runs.
Result<CheckReport> RunCheck(const EngineOptions& options,
                             const std::function<void(std::string_view)>& progress);

}  // namespace kvlink::diagnose

// kvlink check --quality: measures the links in use against full attention and records the result
// in the link file. Not here: what is measured and what passes (eval/quality_gate.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/session.h"

namespace kvlink::cli {

struct QualityOptions {
  std::vector<std::string> data;  // files of the user's own questions
  int64_t limit = 0;              // of each data set, the first; 0: see full
  bool full = false;              // all questions, instead of a sample
  // None: if the file can be written, and holds no record of more questions.
  std::optional<bool> record;
};

// Exit status 1, with one line that says by how much, where the gate fell short.
Result<int> RunQualityCheck(const QualityOptions& options, Session& session);

}  // namespace kvlink::cli

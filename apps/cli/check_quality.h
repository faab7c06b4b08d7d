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
  int64_t limit = 0;              // questions of each data set; 0: all
  std::optional<bool> record;     // none: if all questions were asked and the file can be written
};

// Exit status 1, with one line that says by how much, where the gate fell short.
Result<int> RunQualityCheck(const QualityOptions& options, Session& session);

}  // namespace kvlink::cli

#include "train/output_files.h"

#include <filesystem>
#include <system_error>

namespace kvlink::train {
namespace {

namespace fs = std::filesystem;

bool SameFile(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  std::error_code error;
  if (fs::equivalent(a, b, error)) return true;  // false, too, where one is not there yet
  const fs::path first = fs::weakly_canonical(fs::absolute(a, error), error);
  const fs::path second = fs::weakly_canonical(fs::absolute(b, error), error);
  return a == b || (!first.empty() && first == second);
}

Status Refuse(const char* flag, const std::string& path, const std::string& what) {
  return InvalidArgument(std::string(flag) + ": " + path + " is also " + what +
                         "; another file expected, as this one would be written over");
}

}  // namespace

Status CheckNotOutput(const TrainOptions& options, const std::string& what,
                      const std::string& path) {
  if (SameFile(options.out, path)) return Refuse("--out", options.out, what);
  if (SameFile(options.out_model, path)) return Refuse("--out-model", options.out_model, what);
  return {};
}

Status CheckOutputs(const TrainOptions& options) {
  if (SameFile(options.out_model, options.out)) {
    return Refuse("--out-model", options.out_model, "--out");
  }
  KVLINK_RETURN_IF_ERROR(CheckNotOutput(options, "--model", options.model));
  KVLINK_RETURN_IF_ERROR(CheckNotOutput(options, "--start", options.start));
  KVLINK_RETURN_IF_ERROR(CheckNotOutput(options, "--template", options.prompt_template));
  KVLINK_RETURN_IF_ERROR(CheckNotOutput(options, "--mix", options.mix));
  for (const std::string& path : options.train) {
    KVLINK_RETURN_IF_ERROR(CheckNotOutput(options, "--data", path));
  }
  for (const std::string& path : options.valid) {
    KVLINK_RETURN_IF_ERROR(CheckNotOutput(options, "--valid", path));
  }
  return {};
}

}  // namespace kvlink::train

#include "kv/step_mark.h"

#include "base/bytes.h"
#include "base/process.h"
#include "kv/store_names.h"

namespace kvlink::kv {

StepMark::StepMark(FileSystem& files, const std::string& store)
    : files_(files), path_(store + "/" + std::string(kStepMarkName)), contents_(BootId()) {}

bool StepMark::IsSet() {
  if (contents_.empty()) return false;
  const Result<std::string> found = files_.Read(path_, static_cast<int64_t>(contents_.size()));
  return found.ok() && *found == contents_;
}

Result<bool> StepMark::Take() {
  const bool was_set = IsSet();
  const Status removed = files_.Remove(path_);
  if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  return was_set;
}

void StepMark::Set() {
  if (contents_.empty()) return;
  (void)files_.Remove(path_);
  const auto file = files_.Create(path_, FileAccess::kPrivate);
  if (!file.ok()) return;
  (void)(*file)->Append(AsBytes(contents_));
  (void)(*file)->Close();
}

}  // namespace kvlink::kv

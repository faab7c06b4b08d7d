#include "train/same_run.h"

#include <span>
#include <string>
#include <vector>

#include "base/hash.h"

namespace kvlink::train {
namespace {

double Low(uint64_t hash) { return static_cast<double>(static_cast<uint32_t>(hash)); }
double High(uint64_t hash) { return static_cast<double>(hash >> 32); }

}  // namespace

RunPlace PlaceOf(std::string_view description, int64_t step, int64_t adam_steps,
                 const at::Tensor& values) {
  const at::Tensor flat = values.detach().cpu().contiguous();
  const std::span<const float> numbers(flat.data_ptr<float>(), static_cast<size_t>(flat.numel()));
  return {Xxh3(std::as_bytes(std::span(description))), step, adam_steps,
          Xxh3(std::as_bytes(numbers))};
}

Status CheckAllAgree(ProcessGroup* group, const Status& opened, const RunPlace& mine) {
  if (group->size() == 1) return opened;
  // Whole numbers below 2^53 / processes: no sum is rounded.
  const std::vector<double> own = {opened.ok() ? 0.0 : 1.0,
                                   Low(mine.description),
                                   High(mine.description),
                                   static_cast<double>(mine.step),
                                   static_cast<double>(mine.adam_steps),
                                   Low(mine.values),
                                   High(mine.values)};
  const std::vector<double> sums = group->Sums(own);
  const auto differs = [&](size_t i) {
    return sums[i] == own[i] * static_cast<double>(group->size()) ? 0.0 : 1.0;
  };
  // A process may be the mean of the others and see nothing: so each says what it sees.
  const std::vector<double> seen =
      group->Sums({differs(1) + differs(2), differs(3) + differs(4), differs(5) + differs(6)});
  if (!opened.ok()) return opened;
  const std::string processes = std::to_string(group->size()) + " processes";
  if (sums[0] > 0) {
    return FailedPrecondition("another of the " + processes +
                              " could not open its run; its own message says why");
  }
  if (seen[0] > 0) {
    return FailedPrecondition("the " + processes +
                              " were not told the same: start all of them with the same options, "
                              "base model and data, and each with a --rank-of of its own");
  }
  if (seen[1] == 0 && seen[2] == 0) return {};
  if (seen[1] == 0 && mine.step == 0) {
    return FailedPrecondition("the " + processes +
                              " start from different parameters: give all of them the same build "
                              "of kvlink-train and the same --start file, if any");
  }
  return FailedPrecondition(
      "cannot resume: the checkpoints of the " + processes +
      " are not of the same moment (this one's is of step " + std::to_string(mine.step) +
      "); copy the first process's checkpoint into the folders of the others (.rank1 ..)");
}

}  // namespace kvlink::train

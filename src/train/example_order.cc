#include "train/example_order.h"

#include <cstddef>

#include "train/schedule.h"

namespace kvlink::train {

ExampleOrder::ExampleOrder(const std::vector<PartSize>& parts, uint64_t seed) : random_(~seed) {
  for (const PartSize& size : parts) {
    parts_.push_back({size, seed + 0x9e3779b97f4a7c15u * parts_.size(), 0, {}});
    weights_ += size.weight;
    epoch_draws_ += size.count;
  }
}

Draw ExampleOrder::Next() {
  size_t chosen = 0;
  if (parts_.size() > 1) {
    double at = static_cast<double>(random_.Next() >> 11) * 0x1p-53 * weights_;
    while (chosen + 1 < parts_.size() && at >= parts_[chosen].size.weight) {
      at -= parts_[chosen++].size.weight;
    }
  }
  Part& part = parts_[chosen];
  const int64_t pass = part.drawn / part.size.count, index = part.drawn % part.size.count;
  if (index == 0) part.order = EpochOrder(part.size.count, part.seed, pass);
  ++part.drawn;
  return {static_cast<int64_t>(chosen), part.order[static_cast<size_t>(index)], pass};
}

void ExampleOrder::Skip(int64_t draws) {
  for (int64_t i = 0; i < draws; ++i) (void)Next();
}

}  // namespace kvlink::train

#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/random.h"

namespace kvlink::train {

std::vector<int64_t> EpochOrder(int64_t count, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  Random random(Random(seed).Next() + static_cast<uint64_t>(epoch));
  for (int64_t i = count - 1; i > 0; --i) {
    std::swap(order[i], order[random.Below(static_cast<uint64_t>(i) + 1)]);
  }
  return order;
}

int64_t StepsPerEpoch(int64_t count, int64_t batch) { return (count + batch - 1) / batch; }

double RateAt(int64_t step, int64_t steps, int64_t warmup) {
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (steps <= warmup) return 1;
  const double through = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
  return 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, through)));
}

}  // namespace kvlink::train

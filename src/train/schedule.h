// Which examples a step takes and how fast it learns: pure functions of the seed and the step, so
// that a run that is resumed goes on exactly where it stood.
#pragma once

#include <cstdint>
#include <vector>

namespace kvlink::train {

// The order of `count` examples in an epoch (from 0): a shuffle decided by seed and epoch.
std::vector<int64_t> EpochOrder(int64_t count, uint64_t seed, int64_t epoch);

// Steps of a run: a part of a batch at an epoch's end is a step too.
int64_t StepsPerEpoch(int64_t count, int64_t batch);

// Factor of the learning rate at `step` of `steps` (from 0): linear from 1/warmup to 1 over
// `warmup` steps, then a cosine to 0.
double RateAt(int64_t step, int64_t steps, int64_t warmup);

}  // namespace kvlink::train

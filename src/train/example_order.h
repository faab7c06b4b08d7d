// Which example comes next: parts drawn by weight, each part's examples in a new order at every
// pass through it. Decided by the seed and the number of draws alone, so that a run that is resumed
// draws as many again and goes on exactly. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"

namespace kvlink::train {

struct PartSize {
  int64_t count = 0;  // examples
  double weight = 1;
};

struct Draw {
  int64_t part = 0;
  int64_t index = 0;  // of the part's examples
  int64_t pass = 0;   // how often all of them were drawn before
};

// One owner, one thread.
class ExampleOrder {
 public:
  // REQUIRES: at least one part; counts and weights above 0
  ExampleOrder(const std::vector<PartSize>& parts, uint64_t seed);

  Draw Next();
  void Skip(int64_t draws);

  // Draws of an epoch: as many as there are examples.
  int64_t epoch_draws() const { return epoch_draws_; }

 private:
  struct Part {
    PartSize size;
    uint64_t seed = 0;
    int64_t drawn = 0;
    std::vector<int64_t> order;  // of the pass that `drawn` is in
  };
  std::vector<Part> parts_;
  Random random_;
  double weights_ = 0;  // their sum
  int64_t epoch_draws_ = 0;
};

}  // namespace kvlink::train

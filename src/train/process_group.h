// Processes that train together, each on its share of a step's examples: sums over all of them, by
// c10d's Gloo, and of tensors on a GPU by NCCL where it was built with it. Private to the room
// (Torch). Not here: who takes which examples (trainer.cc).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kvlink/status.h"
#include "train/options.h"

namespace kvlink::train {

// One owner, one thread; every process must ask for the same sums in the same order.
class ProcessGroup {
 public:
  // device: where the tensors of Sum are. Waits, half an hour at most, until options.world
  // processes have come. A world of one joins nothing. kInvalidArgument: a rank outside the world,
  // a rendezvous that is neither a file nor tcp://HOST:PORT; kUnsupported: built without Gloo;
  // kUnavailable: the others did not come.
  static Result<std::unique_ptr<ProcessGroup>> Join(const TrainOptions& options, at::Device device);
  virtual ~ProcessGroup() = default;

  int32_t rank() const { return rank_; }
  int32_t size() const { return size_; }
  bool is_first() const { return rank_ == 0; }  // the one that writes
  // Whether item `i` of a step is this process's.
  bool Takes(int64_t i) const { return i % size_ == rank_; }

  // The sum over all processes, in place; the same bits in each. Throws c10::Error if one is gone.
  virtual void Sum(at::Tensor*) {}
  // Of each number, in doubles.
  std::vector<double> Sums(const std::vector<double>& mine);

 protected:
  ProcessGroup(int32_t rank, int32_t size) : rank_(rank), size_(size) {}

 private:
  int32_t rank_, size_;
};

}  // namespace kvlink::train

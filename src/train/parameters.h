// What is trained: link embeddings and the adapter's matrices, as views of one flat vector, so that
// the optimiser, clipping, checkpoints and exchange between processes work on single tensors.
// Private to the room (Torch).
#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "link/linkable_model.h"
#include "model/model.h"
#include "train/options.h"

namespace kvlink::train {

// One adapter projection: y += scale * B (A x). Leaves of the graph, f32.
struct TrainedLowRank {
  at::Tensor a;  // [r, K]; undefined: no adapter here
  at::Tensor b;  // [N, r], GGUF's row order
};

// [count, E]: where link embeddings start, as options.link_start says; decided by options.seed.
// kInvalidArgument: a link_start that is empty text.
Result<std::vector<float>> LinkStart(const model::Model& model, const TrainOptions& options,
                                     int64_t count);

// A leaf of the graph that is a view of a flat vector from `offset` on, as is its gradient.
at::Tensor LeafOf(const at::Tensor& values, const at::Tensor& gradients, int64_t offset,
                  at::IntArrayRef shape);

class Parameters {
 public:
  // A uniform in +-1/sqrt(K), B zero, link embeddings as options.link_start says; all decided by
  // options.seed. kInvalidArgument: a link_start that is empty text.
  static Result<Parameters> Create(const model::Model& model, const TrainOptions& options,
                                   at::Device device);

  // Takes on the numbers of a link file, named by `path` in errors. kInvalidArgument: it has
  // another K, other slots, ranks or places than what is trained.
  Status StartFrom(const links::Links& links, const std::string& path);

  at::Tensor& links() { return links_; }  // [slots * k, E]; undefined when k = 0
  const TrainedLowRank& At(int32_t layer, model::Projection projection) const {
    return layers_[layer][static_cast<size_t>(projection)];
  }
  bool has_adapter() const { return rank_ > 0; }
  double scale() const { return scale_; }

  at::Tensor& values() { return values_; }        // [P] f32; link embeddings first
  at::Tensor& gradients() { return gradients_; }  // [P] f32, what backward passes have summed
  int64_t link_count() const { return link_count_; }

  // The links and adapter as a link file holds them.
  links::Links ToLinks(const link::LinkableModel& model) const;

 private:
  Parameters() = default;
  int32_t k_ = 0, slots_ = 1, rank_ = 0;
  double scale_ = 1;
  model::AdapterScope scope_ = model::AdapterScope::kOutsideDocuments;
  int64_t link_count_ = 0;
  at::Tensor values_, gradients_;
  at::Tensor links_;
  std::vector<std::array<TrainedLowRank, model::kProjections>> layers_;
};

}  // namespace kvlink::train

#include "model/prepared_adapter.h"

#include <algorithm>

#include "tensor/kernels.h"
#include "tensor/thread_team.h"

namespace kvlink::model {
namespace {

// A projection's place in its group's matrix.
struct Place {
  const LowRank* low;
  int64_t column, columns;  // of y
};

std::vector<Place> PlacesOf(const std::array<LowRank, kProjections>& layer, ProjectionGroup group,
                            const ModelConfig& c) {
  const auto at = [&](Projection projection) { return &layer[static_cast<size_t>(projection)]; };
  const int64_t q = static_cast<int64_t>(c.heads) * c.head_dim;
  const int64_t k = static_cast<int64_t>(c.kv_heads) * c.head_dim;
  switch (group) {
    case ProjectionGroup::kQkv:
      return {
          {at(Projection::kQ), 0, q}, {at(Projection::kK), q, k}, {at(Projection::kV), q + k, k}};
    case ProjectionGroup::kOutput:
      return {{at(Projection::kO), 0, c.width}};
    case ProjectionGroup::kGateUp:
      return {{at(Projection::kGate), 0, c.feed_forward},
              {at(Projection::kUp), c.feed_forward, c.feed_forward}};
    case ProjectionGroup::kDown:
      return {{at(Projection::kDown), 0, c.width}};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<PreparedAdapter>> PreparedAdapter::Create(const Adapter& adapter,
                                                                 const ModelConfig& config,
                                                                 DType matmul_dtype) {
  const tensor::TeamScope team(0);  // once for all of its matrices
  KVLINK_RETURN_IF_ERROR(team.status());
  auto prepared = std::make_unique<PreparedAdapter>();
  prepared->scope_ = adapter.scope;
  prepared->dtype_ = matmul_dtype;
  prepared->layers_.resize(static_cast<size_t>(config.layers));
  for (int32_t l = 0; l < config.layers; ++l) {
    for (int g = 0; g < kProjectionGroups; ++g) {
      const std::vector<Place> places =
          PlacesOf(adapter.layers[l], static_cast<ProjectionGroup>(g), config);
      int64_t rank = 0, inputs = 0;
      for (const Place& place : places) {
        if (place.low->rank == 0) continue;
        rank += place.low->rank;
        inputs = static_cast<int64_t>(place.low->a.size()) / place.low->rank;
      }
      if (rank == 0) continue;
      const int64_t outputs = places.back().column + places.back().columns;
      std::vector<float> a, b(static_cast<size_t>(outputs * rank));
      for (int64_t first = 0; const Place& place : places) {
        const int64_t r = place.low->rank;
        a.insert(a.end(), place.low->a.begin(), place.low->a.end());
        for (int64_t n = 0; r > 0 && n < place.columns; ++n) {
          std::copy_n(place.low->b.data() + n * r, r, b.data() + (place.column + n) * rank + first);
        }
        first += r;
      }
      const auto rows_of = [](const std::vector<float>& m, int64_t columns) {
        return [&m, columns](int64_t begin, int64_t end, float* out) {
          std::copy(m.begin() + begin * columns, m.begin() + end * columns, out);
        };
      };
      KVLINK_ASSIGN_OR_RETURN(
          tensor::Linear down,
          tensor::Linear::Create(inputs, rank, matmul_dtype, rows_of(a, inputs)));
      KVLINK_ASSIGN_OR_RETURN(
          tensor::Linear up, tensor::Linear::Create(rank, outputs, matmul_dtype, rows_of(b, rank)));
      prepared->layers_[l][g] = {std::make_unique<tensor::Linear>(std::move(down)),
                                 std::make_unique<tensor::Linear>(std::move(up))};
    }
  }
  return prepared;
}

Status PreparedAdapter::Add(int32_t layer, ProjectionGroup group, bool generated, const void* x,
                            std::span<const uint8_t> active, float* y) {
  Factors& f = layers_[layer][static_cast<size_t>(group)];
  if (f.a == nullptr) return {};
  const auto rows = static_cast<int64_t>(active.size());
  const int64_t r = f.a->n(), padded = generated ? rows : tensor::Linear::PaddedRows(rows, dtype_);
  low_.resize(padded * r);
  low_converted_.resize(padded * r * SizeOf(dtype_));
  KVLINK_RETURN_IF_ERROR(generated ? f.a->RunRows(x, rows, low_.data())
                                   : f.a->Run(x, rows, low_.data()));
  // Rows that are not active, and those behind T, get B times zero added.
  for (int64_t t = 0; t < padded; ++t) {
    if (t >= rows || active[t] == 0) std::fill_n(low_.data() + t * r, r, 0.0f);
  }
  tensor::ConvertTo(low_.data(), padded * r, dtype_, low_converted_.data());
  return generated ? f.b->RunRowsAdding(low_converted_.data(), rows, y)
                   : f.b->RunAdding(low_converted_.data(), rows, y);
}

}  // namespace kvlink::model

// PEFT's naming, shapes and row order (link_adapter.h).
#include "links/link_adapter.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "links/adapter_description.h"
#include "links/checked_tensor.h"

namespace kvlink::links {
namespace {

std::string TensorName(int32_t layer, model::Projection projection, std::string_view matrix) {
  return "base_model.model.model.layers." + std::to_string(layer) + "." +
         std::string(kProjectionNames[static_cast<size_t>(projection)].module) + ".lora_" +
         std::string(matrix) + ".weight";
}

struct Sizes {
  int64_t inputs = 0;   // K
  int64_t outputs = 0;  // N
};

Sizes SizesOf(const model::ModelConfig& c, model::Projection projection) {
  const int64_t width = c.width, forward = c.feed_forward;
  const int64_t queries = int64_t{c.heads} * c.head_dim, keys = int64_t{c.kv_heads} * c.head_dim;
  switch (projection) {
    case model::Projection::kQ:
      return {width, queries};
    case model::Projection::kK:
    case model::Projection::kV:
      return {width, keys};
    case model::Projection::kO:
      return {queries, width};
    case model::Projection::kGate:
    case model::Projection::kUp:
      return {width, forward};
    case model::Projection::kDown:
      return {forward, width};
  }
  return {};
}

bool IsRotated(model::Projection projection) {
  return projection == model::Projection::kQ || projection == model::Projection::kK;
}

// Both orders pair the same two numbers of a head and turn them by the same angle: Hugging Face
// keeps pair i at rows i and i + D/2 ("rotate half"), GGUF at rows 2i and 2i + 1. So row s * D/2 +
// i of each head goes to row 2i + s, and back.
enum class RowOrder { kToGguf, kToHuggingFace };

std::vector<float> Reorder(const std::vector<float>& b,  // [N, r]
                           int64_t head_dim, int64_t rank, RowOrder order) {
  std::vector<float> out(b.size());
  const int64_t half = head_dim / 2;
  const int64_t rows = static_cast<int64_t>(b.size()) / rank;
  for (int64_t head = 0; head < rows; head += head_dim) {
    for (int64_t i = 0; i < half; ++i) {
      for (int64_t s = 0; s < 2; ++s) {
        int64_t from = head + s * half + i, to = head + 2 * i + s;
        if (order == RowOrder::kToHuggingFace) std::swap(from, to);
        std::copy_n(b.begin() + from * rank, rank, out.begin() + to * rank);
      }
    }
  }
  return out;
}

Status CheckRotation(const model::ModelConfig& config, model::Projection projection) {
  if (!IsRotated(projection) || (config.rope.dims == config.head_dim && config.head_dim % 2 == 0)) {
    return {};
  }
  // Where a part of a head is rotated, converters disagree on the order of the rest.
  return Unsupported("adapter: target " +
                     std::string(kProjectionNames[static_cast<size_t>(projection)].target) +
                     " needs a model that rotates whole heads of an even size; this one rotates " +
                     std::to_string(config.rope.dims) + " of " + std::to_string(config.head_dim));
}

Result<std::vector<float>> ReadMatrix(const formats::SafetensorsFile& file, const std::string& name,
                                      std::array<int64_t, 2> shape,
                                      std::set<std::string_view>* used) {
  const auto at = file.tensors().find(name);
  const std::string where = "tensor \"" + name + "\"";
  if (at == file.tensors().end()) {
    return InvalidArgument(Mismatch(where, "shape " + ShapeText(shape), "no such tensor"));
  }
  if (!std::equal(shape.begin(), shape.end(), at->second.shape.begin(), at->second.shape.end())) {
    return InvalidArgument(
        Mismatch(where, "shape " + ShapeText(shape), ShapeText(at->second.shape)));
  }
  used->insert(at->first);
  return ReadFloats(where, at->second);
}

Status CheckLowRank(const model::LowRank& m, const std::string& where, Sizes sizes) {
  if (m.a.size() != static_cast<uint64_t>(m.rank * sizes.inputs) ||
      m.b.size() != static_cast<uint64_t>(m.rank * sizes.outputs)) {
    const int64_t expected[] = {m.rank * sizes.inputs, m.rank * sizes.outputs};
    const int64_t found[] = {static_cast<int64_t>(m.a.size()), static_cast<int64_t>(m.b.size())};
    return InvalidArgument(
        Mismatch(where, "numbers in A and B " + ShapeText(expected), ShapeText(found)));
  }
  KVLINK_RETURN_IF_ERROR(CheckFinite(where + " A", m.a));
  return CheckFinite(where + " B", m.b);
}

// What the adapter's places have in common; kInvalidArgument where they have not.
Result<AdapterDescription> Describe(const model::Adapter& adapter,
                                    const model::ModelConfig& config) {
  AdapterDescription d{.scope = adapter.scope};
  if (adapter.layers.size() != static_cast<size_t>(config.layers)) {
    return InvalidArgument(Mismatch("adapter: layers", std::to_string(config.layers),
                                    std::to_string(adapter.layers.size())));
  }
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    std::vector<model::Projection> projections;
    for (size_t s = 0; s < model::kProjections; ++s) {
      const auto projection = static_cast<model::Projection>(s);
      const model::LowRank& m = adapter.layers[layer][s];
      if (m.rank == 0) continue;
      const std::string where =
          "adapter: layer " + std::to_string(layer) + ", " +
          std::string(kProjectionNames[static_cast<size_t>(projection)].target);
      if (d.rank == 0) d.rank = m.rank;
      if (m.rank != d.rank || m.rank < 1 || m.rank > kMaxAdapterRank) {
        return InvalidArgument(Mismatch(where + ": rank",
                                        d.rank > 0 && d.rank <= kMaxAdapterRank
                                            ? std::to_string(d.rank) + " everywhere"
                                            : "1 to " + std::to_string(kMaxAdapterRank),
                                        std::to_string(m.rank)));
      }
      KVLINK_RETURN_IF_ERROR(CheckRotation(config, projection));
      KVLINK_RETURN_IF_ERROR(CheckLowRank(m, where, SizesOf(config, projection)));
      projections.push_back(projection);
    }
    if (projections.empty()) continue;
    if (d.projections.empty()) d.projections = projections;
    if (projections != d.projections) {
      return InvalidArgument(Mismatch("adapter: layer " + std::to_string(layer),
                                      "the targets of layer " + std::to_string(d.layers[0]),
                                      "others"));
    }
    d.layers.push_back(layer);
  }
  if (d.layers.empty()) {
    return InvalidArgument(Mismatch("adapter", "matrices in a layer at least", "none"));
  }
  return d;
}

}  // namespace

Result<model::Adapter> ReadAdapter(const formats::SafetensorsFile& file,
                                   std::string_view description, const model::ModelConfig& config,
                                   std::set<std::string_view>* used) {
  KVLINK_ASSIGN_OR_RETURN(const AdapterDescription d, ReadDescription(description, config.layers));
  model::Adapter adapter;
  adapter.scope = d.scope;
  adapter.layers.resize(static_cast<size_t>(config.layers));
  const auto scale = static_cast<float>(d.alpha / d.rank);
  for (const int32_t layer : d.layers) {
    for (const model::Projection projection : d.projections) {
      KVLINK_RETURN_IF_ERROR(CheckRotation(config, projection));
      const Sizes sizes = SizesOf(config, projection);
      model::LowRank& m = adapter.layers[layer][static_cast<size_t>(projection)];
      m.rank = d.rank;
      KVLINK_ASSIGN_OR_RETURN(
          m.a, ReadMatrix(file, TensorName(layer, projection, "A"), {d.rank, sizes.inputs}, used));
      const std::string b_name = TensorName(layer, projection, "B");
      KVLINK_ASSIGN_OR_RETURN(m.b, ReadMatrix(file, b_name, {sizes.outputs, d.rank}, used));
      for (float& value : m.b) value *= scale;
      KVLINK_RETURN_IF_ERROR(CheckFinite("tensor \"" + b_name + "\" times alpha / rank", m.b));
      if (IsRotated(projection)) m.b = Reorder(m.b, config.head_dim, d.rank, RowOrder::kToGguf);
    }
  }
  return adapter;
}

Result<std::string> WriteAdapter(const model::Adapter& adapter, const model::ModelConfig& config,
                                 std::map<std::string, formats::SafeTensorToWrite>* tensors) {
  KVLINK_ASSIGN_OR_RETURN(AdapterDescription d, Describe(adapter, config));
  for (const int32_t layer : d.layers) {
    for (const model::Projection projection : d.projections) {
      const model::LowRank& m = adapter.layers[layer][static_cast<size_t>(projection)];
      const Sizes sizes = SizesOf(config, projection);
      (*tensors)[TensorName(layer, projection, "A")] = {.shape = {m.rank, sizes.inputs},
                                                        .values = m.a};
      (*tensors)[TensorName(layer, projection, "B")] = {
          .shape = {sizes.outputs, m.rank},
          .values = IsRotated(projection)
                        ? Reorder(m.b, config.head_dim, m.rank, RowOrder::kToHuggingFace)
                        : m.b};
    }
  }
  d.alpha = d.rank;  // the scale stands in lora_B already
  return WriteDescription(d, config.layers);
}

}  // namespace kvlink::links

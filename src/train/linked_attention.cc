#include "train/linked_attention.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "model/model.h"
#include "train/device.h"

namespace kvlink::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr int64_t kTileRows = 2 * kRowMultiple;

struct Split {      // of one example's rows
  at::Tensor q;     // [G, T * H/G, D], rotated and scaled
  at::Tensor k, v;  // [G, T, D], rotated; as they stand in the buffer
};

Split SplitQkv(const at::Tensor& qkv, const AttentionRows& rows, const model::ModelConfig& c) {
  const int64_t t = rows.rows, h = c.heads, g = c.kv_heads, d = c.head_dim;
  const at::Tensor own = qkv.narrow(0, rows.first_row, t);
  const at::Tensor q = own.narrow(1, 0, h * d).reshape({t, h, d});
  const at::Tensor k = own.narrow(1, h * d, g * d).reshape({t, g, d});
  const at::Tensor v = own.narrow(1, (h + g) * d, g * d).reshape({t, g, d});
  const double scale = 1 / std::sqrt(static_cast<double>(d));
  const at::ScalarType dtype = qkv.scalar_type();
  return {.q = RopeTurns::Turn(q, rows.turns)
                   .mul_(scale)
                   .view({t, g, h / g, d})
                   .permute({1, 0, 2, 3})
                   .to(dtype)
                   .reshape({g, t * (h / g), d}),
          .k = RopeTurns::Turn(k, rows.turns).to(dtype).transpose(0, 1),
          .v = v.transpose(0, 1)};
}

struct LinkedAttentionFunction : public Function<LinkedAttentionFunction> {
  static Variable forward(AutogradContext* context, const Variable& qkv,
                          const std::vector<AttentionRows>* examples, int64_t layer,
                          const model::ModelConfig* config) {
    const model::ModelConfig& c = *config;
    const int64_t h = c.heads, g = c.kv_heads, d = c.head_dim, group = h / g;
    at::Tensor out = at::empty({qkv.size(0), h * d}, qkv.options());
    variable_list saved;  // an example's q, then a P a tile
    for (const AttentionRows& rows : *examples) {
      const Split split = SplitQkv(qkv, rows, c);
      at::Tensor& keys = rows.kv->keys[layer];
      at::Tensor& values = rows.kv->values[layer];
      keys.index_copy_(1, rows.places, split.k);
      values.index_copy_(1, rows.places, split.v);
      saved.push_back(split.q);
      const at::Tensor out_heads = out.narrow(0, rows.first_row, rows.rows)
                                       .view({rows.rows, g, group, d})
                                       .permute({1, 0, 2, 3});  // [G, T, H/G, D]
      for (const AttentionRows::Tile& tile : rows.tiles) {
        const at::Tensor q = split.q.narrow(1, tile.first * group, tile.rows * group);
        at::Tensor scores = at::bmm(q, keys.narrow(1, tile.first_key, tile.keys).transpose(1, 2));
        scores.view({g, tile.rows, group, tile.keys}).add_(tile.mask);
        const at::Tensor p = at::softmax(scores, -1);
        out_heads.narrow(1, tile.first, tile.rows)
            .copy_(at::bmm(p, values.narrow(1, tile.first_key, tile.keys))
                       .view({g, tile.rows, group, d}));
        saved.push_back(p);
      }
    }
    context->save_for_backward(saved);
    context->saved_data["examples"] = reinterpret_cast<int64_t>(examples);
    context->saved_data["config"] = reinterpret_cast<int64_t>(config);
    context->saved_data["layer"] = layer;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto& examples = *reinterpret_cast<const std::vector<AttentionRows>*>(
        context->saved_data["examples"].toInt());
    const model::ModelConfig& c =
        *reinterpret_cast<const model::ModelConfig*>(context->saved_data["config"].toInt());
    const int64_t layer = context->saved_data["layer"].toInt();
    const int64_t h = c.heads, g = c.kv_heads, d = c.head_dim, group = h / g;
    const double scale = 1 / std::sqrt(static_cast<double>(d));
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& dout = gradients[0];
    const at::ScalarType dtype = dout.scalar_type();
    at::Tensor dqkv = at::empty({dout.size(0), (h + 2 * g) * d}, dout.options());
    size_t next = 0;
    for (const AttentionRows& rows : examples) {
      const int64_t t = rows.rows;
      const at::Tensor& q_all = saved[next++];
      const at::Tensor& keys = rows.kv->keys[layer];
      const at::Tensor& values = rows.kv->values[layer];
      const at::Tensor dout_heads = dout.narrow(0, rows.first_row, t)
                                        .reshape({t, g, group, d})
                                        .permute({1, 0, 2, 3})
                                        .reshape({g, t * group, d});
      at::Tensor dq = at::empty({g, t * group, d}, dout.options());
      at::Tensor dk = at::zeros({g, t, d}, dout.options().dtype(at::kFloat));
      at::Tensor dv = at::zeros_like(dk);
      for (const AttentionRows::Tile& tile : rows.tiles) {
        const int64_t own =
            tile.first + tile.rows - tile.first_own;  // rows that stand in the range
        const at::Tensor& p = saved[next++];
        const at::Tensor q = q_all.narrow(1, tile.first * group, tile.rows * group);
        const at::Tensor go = dout_heads.narrow(1, tile.first * group, tile.rows * group);
        const at::Tensor dp =
            at::bmm(go, values.narrow(1, tile.first_key, tile.keys).transpose(1, 2));
        const at::Tensor ds = at::_softmax_backward_data(dp, p, -1, dtype);
        dq.narrow(1, tile.first * group, tile.rows * group)
            .copy_(at::bmm(ds, keys.narrow(1, tile.first_key, tile.keys)));
        const at::Tensor places = rows.places.narrow(0, tile.first_own, own) - tile.first_key;
        dk.narrow(1, tile.first_own, own)
            .add_(at::bmm(ds.index_select(2, places).transpose(1, 2), q));
        dv.narrow(1, tile.first_own, own)
            .add_(at::bmm(p.index_select(2, places).transpose(1, 2), go));
      }
      at::Tensor part = dqkv.narrow(0, rows.first_row, t);
      const at::Tensor back = rows.turns.conj().resolve_conj();
      part.narrow(1, 0, h * d)
          .view({t, h, d})
          .copy_(RopeTurns::Turn(dq.view({g, t, group, d}).permute({1, 0, 2, 3}).reshape({t, h, d}),
                                 back)
                     .mul_(scale));
      part.narrow(1, h * d, g * d).view({t, g, d}).copy_(RopeTurns::Turn(dk.transpose(0, 1), back));
      part.narrow(1, (h + g) * d, g * d).view({t, g, d}).copy_(dv.transpose(0, 1));
    }
    return {dqkv, Variable(), Variable(), Variable()};
  }
};

}  // namespace

RopeTurns::RopeTurns(const model::ModelConfig& config, at::Device device) {
  std::vector<double> frequencies = model::Model::RopeFrequencies(config.rope);
  frequencies.resize(config.head_dim / 2, 0.0);
  frequencies_ = torch::tensor(frequencies, at::kDouble).to(device);
}

at::Tensor RopeTurns::At(const at::Tensor& positions) const {
  // Angles in double: at position 100,000 a float angle has lost its third decimal.
  const at::Tensor angles =
      positions.to(at::kDouble).unsqueeze(1) * frequencies_.unsqueeze(0);  // [T, D/2]
  return at::polar(at::ones_like(angles), angles).to(at::kComplexFloat).unsqueeze(1);
}

at::Tensor RopeTurns::Turn(const at::Tensor& x, const at::Tensor& turns) {
  std::vector<int64_t> pairs = x.sizes().vec();
  pairs.back() /= 2;
  pairs.push_back(2);
  const at::Tensor z = at::view_as_complex(x.to(at::kFloat).contiguous().view(pairs));
  return at::view_as_real(z * turns).view(x.sizes());
}

KvBuffer NewKvBuffer(const model::ModelConfig& config, int64_t positions, at::ScalarType dtype,
                     at::Device device) {
  KvBuffer kv;
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  const int64_t padded = RoundUp(positions, kKeyMultiple);
  for (int32_t l = 0; l < config.layers; ++l) {
    kv.keys.push_back(at::zeros({config.kv_heads, padded, config.head_dim}, options));
    kv.values.push_back(at::zeros({config.kv_heads, padded, config.head_dim}, options));
  }
  return kv;
}

void PlaceBlock(const kv::Block& block, int64_t start, const RopeTurns& turns, KvBuffer* kv) {
  const kv::BlockShape& shape = block.shape();
  const auto options = at::TensorOptions().dtype(TorchType(shape.dtype));
  const at::Device device = kv->keys[0].device();
  // Keys stand rotated to 0..n-1: one more turn, the same for all, takes them to their place.
  const at::Tensor turn =
      turns.At(at::full({1}, start, at::TensorOptions(at::kLong).device(device)));
  for (int32_t l = 0; l < shape.layers; ++l) {
    const auto plane = [&](const void* data) {
      return at::from_blob(const_cast<void*>(data),
                           {shape.kv_heads, shape.padded_tokens(), shape.head_dim}, options)
          .narrow(1, 0, shape.tokens)
          .to(device);
    };
    kv->keys[l].narrow(1, start, shape.tokens).copy_(RopeTurns::Turn(plane(block.keys(l)), turn));
    kv->values[l].narrow(1, start, shape.tokens).copy_(plane(block.values(l)));
  }
}

AttentionRows MakeAttentionRows(KvBuffer* kv, int64_t first_row,
                                const std::vector<int64_t>& positions,
                                const std::vector<int64_t>& sees_from, const RopeTurns& turns,
                                at::ScalarType dtype, at::Device device) {
  AttentionRows rows;
  rows.kv = kv;
  rows.first_row = first_row;
  rows.rows = static_cast<int64_t>(positions.size());
  rows.places = torch::tensor(positions, at::kLong).to(device);
  rows.turns = turns.At(rows.places);
  const at::Tensor from = torch::tensor(sees_from, at::kLong).to(device);
  const int64_t most = kv->keys[0].size(1);
  for (int64_t first = 0; first < rows.rows; first += kTileRows) {
    AttentionRows::Tile tile;
    tile.first = first;
    tile.rows = std::min(kTileRows, rows.rows - first);
    const auto seen = sees_from.begin() + first;
    tile.first_key = *std::min_element(seen, seen + tile.rows) / kKeyMultiple * kKeyMultiple;
    tile.keys = std::min(most, RoundUp(positions[first + tile.rows - 1] + 1, kKeyMultiple)) -
                tile.first_key;
    tile.first_own =
        std::lower_bound(positions.begin(), positions.end(), tile.first_key) - positions.begin();
    const at::Tensor columns =
        (at::arange(tile.keys, rows.places.options()) + tile.first_key).unsqueeze(0);
    const at::Tensor hidden =
        columns.gt(rows.places.narrow(0, first, tile.rows).unsqueeze(1))
            .logical_or_(columns.lt(from.narrow(0, first, tile.rows).unsqueeze(1)));
    tile.mask = at::zeros({tile.rows, tile.keys}, at::TensorOptions(dtype).device(device))
                    .masked_fill_(hidden, -std::numeric_limits<double>::infinity())
                    .unsqueeze(1);
    rows.tiles.push_back(std::move(tile));
  }
  return rows;
}

at::Tensor LinkedAttention(const at::Tensor& qkv, const std::vector<AttentionRows>* rows,
                           int64_t layer, const model::ModelConfig* config) {
  return LinkedAttentionFunction::apply(qkv, rows, layer, config);
}

}  // namespace kvlink::train

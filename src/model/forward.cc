// The forward pass of the llama architecture, on one screen. The same pass encodes a document
// (empty context), answers over blocks (linked), and computes the masked reference (segments).
// Letters: T new tokens of all sequences, E width, H heads, G kv heads, D head size, F
// feed-forward.
#include <algorithm>
#include <string>

#include "model/model.h"
#include "model/prepared_adapter.h"
#include "tensor/attention_received.h"
#include "tensor/kernels.h"
#include "tensor/thread_team.h"

namespace kvlink {
namespace {

// Waking the other threads takes as long as a kernel's row or two: up to this many rows of them are
// done at once.
constexpr int64_t kFewRows = 4;

Status CheckSequence(const Sequence& s, const ModelConfig& config) {
  const int64_t rows = static_cast<int64_t>(s.tokens.size());
  const int64_t embeddings = static_cast<int64_t>(s.embeddings.size()) / config.width;
  for (int64_t t = 0; t < rows; ++t) {
    const int32_t id = s.tokens[t];
    if (id >= config.vocab || (id < 0 && ~id >= embeddings)) {
      return InvalidArgument("token " + std::to_string(t) + " of the prompt has id " +
                             std::to_string(id) + "; this model has ids 0 to " +
                             std::to_string(config.vocab - 1) + " and " +
                             std::to_string(embeddings) + " link embeddings");
    }
    const bool ascends = t == 0 || s.positions[t] > s.positions[t - 1];
    if (s.positions[t] < 0 || (!ascends && s.segments.empty())) {
      return InvalidArgument("positions of a prompt must ascend from 0; token " +
                             std::to_string(t) + " stands at " + std::to_string(s.positions[t]));
    }
  }
  if (s.tail->size() + rows > s.tail->stride()) {
    return ResourceExhausted("the request has room for " + std::to_string(s.tail->stride()) +
                             " tokens of its own and needs " +
                             std::to_string(s.tail->size() + rows));
  }
  return {};
}

// K and V of the new tokens into the tail: keys rotated to their positions.
void AppendKv(const ModelConfig& c, DType dtype, const RopeTable& rope, const Sequence& s,
              int32_t layer, const float* qkv, int64_t first) {
  const int64_t d = c.head_dim, columns = (c.heads + 2ll * c.kv_heads) * d;
  const int64_t row_bytes = d * SizeOf(dtype);
  std::byte* keys = static_cast<std::byte*>(s.tail->keys(layer));
  std::byte* values = static_cast<std::byte*>(s.tail->values(layer));
  const int64_t rows = static_cast<int64_t>(s.tokens.size());
#pragma omp parallel for schedule(static) if (rows > kFewRows)
  for (int64_t t = 0; t < rows; ++t) {
    const float* k = qkv + t * columns + c.heads * d;
    const float* v = k + c.kv_heads * d;
    for (int64_t g = 0; g < c.kv_heads; ++g) {
      const int64_t at = (g * s.tail->stride() + first + t) * row_bytes;
      Rotate(k + g * d, rope.Cosines(s.positions[t]), rope.Sines(s.positions[t]), rope.rotated(), d,
             1.0f, dtype, keys + at);
      Store(v + g * d, d, dtype, values + at);
    }
  }
}

KvView ViewOf(const Segment& s, int32_t layer) {
  return {s.keys[layer], s.values[layer], s.tokens, s.stride,
          s.start,       s.shift,         s.hidden, s.weighed};
}

// Positions that angles are needed for: the largest distance between a new token and a block's
// first.
int64_t FarthestDistance(const Sequence& s) {
  int64_t origin = 0;
  for (const Segment& segment : s.context) {
    origin = std::min<int64_t>(origin, segment.start - segment.shift);
  }
  return *std::max_element(s.positions.begin(), s.positions.end()) - origin;
}

// Rows on which an adapter acts: those outside documents, or all.
void MarkActive(const Sequence& s, std::vector<uint8_t>* active) {
  active->assign(s.tokens.size(), 1);
  if (s.adapter == nullptr || s.adapter->scope() == AdapterScope::kEverywhere) return;
  for (size_t t = 0; t < s.documents.size(); ++t) (*active)[t] = s.documents[t] == 0;
}

}  // namespace

Status Model::Embed(const Sequence& s, float* x) const {
  const int64_t e = config_.width;
  const int64_t rows = static_cast<int64_t>(s.tokens.size());
#pragma omp parallel for schedule(static) if (rows > kFewRows)
  for (int64_t t = 0; t < rows; ++t) {
    const int32_t id = s.tokens[t];
    if (id >= 0) {
      weights_.embedding.ReadRow(id, x + t * e);
    } else {
      std::copy_n(s.embeddings.data() + ~id * e, e, x + t * e);
    }
  }
  return {};
}

Status Model::Forward(std::span<Sequence> batch, Probe* probe) {
  KVLINK_RETURN_IF_ERROR(CheckProcess());
  const ModelConfig& c = config_;
  const int64_t E = c.width, F = c.feed_forward, QD = static_cast<int64_t>(c.heads) * c.head_dim;
  const int64_t KD = static_cast<int64_t>(c.kv_heads) * c.head_dim, QKV = QD + 2 * KD;
  const DType dtype = matmul_dtype_;
  int64_t T = 0;
  for (const Sequence& s : batch) {
    KVLINK_RETURN_IF_ERROR(CheckSequence(s, c));
    T += static_cast<int64_t>(s.tokens.size());
  }
  if (T == 0) return {};
  // One team for the whole pass, as large as its narrowest products allow.
  const int64_t most = Linear::MostThreads(T, std::min({E, QKV, 2 * F}));
  const TeamScope team(static_cast<int>(std::min<int64_t>(threads_, most)));
  KVLINK_RETURN_IF_ERROR(team.status());
  for (const Sequence& s : batch) {
    if (!s.positions.empty()) rope_->Reserve(FarthestDistance(s) + 1);
  }
  const int64_t rows = Linear::PaddedRows(T, dtype);
  a_.x.resize(rows * E);
  // The last sequence of a batch may be padded further than the batch.
  a_.normed.resize((rows + 64) * std::max({E, QD, F}) * SizeOf(dtype));
  a_.qkv.resize((rows + 64) * QKV);
  a_.y.resize((rows + 64) * std::max(E, 2 * F));
  float *x = a_.x.data(), *y = a_.y.data();
  std::byte* normed = a_.normed.data();

  std::vector<int64_t> first_row, first_own;  // of each sequence: in the batch, in its tail
  for (int64_t row = 0; Sequence & s : batch) {
    KVLINK_RETURN_IF_ERROR(Embed(s, x + row * E));
    first_row.push_back(row);
    first_own.push_back(s.tail->size());
    s.tail->Grow(static_cast<int64_t>(s.tokens.size()), s.segments);
    row += static_cast<int64_t>(s.tokens.size());
  }

  const auto norm = [&](const std::vector<float>& weight) {
#pragma omp parallel for schedule(static) if (T > kFewRows)
    for (int64_t t = 0; t < T; ++t) {
      RmsNorm(x + t * E, weight.data(), c.norm_epsilon, E, dtype, normed + t * E * SizeOf(dtype));
    }
  };
  // out += adapter(normed) for the sequences that have one.
  const auto adapt = [&](int32_t l, SiteGroup group, int64_t inputs, float* out,
                         int64_t columns) -> Status {
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].adapter == nullptr) continue;
      MarkActive(batch[i], &a_.active);
      KVLINK_RETURN_IF_ERROR(batch[i].adapter->Add(l, group,
                                                   normed + first_row[i] * inputs * SizeOf(dtype),
                                                   a_.active, out + first_row[i] * columns));
    }
    return {};
  };
  const auto add_residual = [&] {
#pragma omp parallel for schedule(static) if (T > kFewRows)
    for (int64_t t = 0; t < T; ++t) AddTo(y + t * E, E, x + t * E);
  };

  std::vector<KvView> views;
  for (int32_t l = 0; l < c.layers; ++l) {
    LayerWeights& w = weights_.layers[l];
    norm(w.attention_norm);
    KVLINK_RETURN_IF_ERROR(w.qkv.Run(normed, T, a_.qkv.data()));
    KVLINK_RETURN_IF_ERROR(adapt(l, SiteGroup::kQkv, E, a_.qkv.data(), QKV));
    for (size_t i = 0; i < batch.size(); ++i) {
      Sequence& s = batch[i];
      const float* qkv = a_.qkv.data() + first_row[i] * QKV;
      AppendKv(c, kv_dtype_, *rope_, s, l, qkv, first_own[i]);
      views.clear();
      for (const Segment& segment : s.context) views.push_back(ViewOf(segment, l));
      const AttentionInput input = {
          .tokens = static_cast<int64_t>(s.tokens.size()),
          .queries = qkv,
          .query_stride = QKV,
          .positions = s.positions,
          .segments = views,
          .tail = {s.tail->keys(l), s.tail->values(l), s.tail->size(), s.tail->stride(), 0},
          .tail_segments = s.tail->segments(),
          .temperature = s.temperature,
          .scale = s.scale,
          .out = normed + first_row[i] * QD * SizeOf(dtype),
          .out_dtype = dtype};
      if (probe == nullptr || l < probe->layer) {
        KVLINK_RETURN_IF_ERROR(attention_->Run(input));
      } else if (probe->attention_from >= 0) {
        probe->attention = AttentionReceived({c.heads, c.kv_heads, c.head_dim, kv_dtype_, dtype},
                                             *rope_, input, probe->attention_from);
      }
    }
    if (probe != nullptr && l == probe->layer) return {};
    KVLINK_RETURN_IF_ERROR(w.output.Run(normed, T, y));
    KVLINK_RETURN_IF_ERROR(adapt(l, SiteGroup::kOutput, QD, y, E));
    add_residual();

    norm(w.feed_forward_norm);
    KVLINK_RETURN_IF_ERROR(w.gate_up.Run(normed, T, y));
    KVLINK_RETURN_IF_ERROR(adapt(l, SiteGroup::kGateUp, E, y, 2 * F));
#pragma omp parallel for schedule(static) if (T > kFewRows)
    for (int64_t t = 0; t < T; ++t) {
      SiluMul(y + t * 2 * F, y + t * 2 * F + F, F, dtype, normed + t * F * SizeOf(dtype));
    }
    KVLINK_RETURN_IF_ERROR(w.down.Run(normed, T, y));
    KVLINK_RETURN_IF_ERROR(adapt(l, SiteGroup::kDown, F, y, E));
    add_residual();
  }

  for (size_t i = 0; i < batch.size(); ++i) {
    const Sequence& s = batch[i];
    const int64_t wanted = static_cast<int64_t>(s.logit_rows.size());
    if (wanted == 0) continue;
    const int64_t padded = Linear::PaddedRows(wanted, dtype);
    a_.normed.resize(std::max<size_t>(a_.normed.size(), padded * E * SizeOf(dtype)));
    for (int64_t r = 0; r < wanted; ++r) {
      RmsNorm(x + (first_row[i] + s.logit_rows[r]) * E, weights_.final_norm.data(), c.norm_epsilon,
              E, dtype, a_.normed.data() + r * E * SizeOf(dtype));
    }
    a_.logits.resize(padded * c.vocab);
    KVLINK_RETURN_IF_ERROR(weights_.head[0].Run(a_.normed.data(), wanted, a_.logits.data()));
    if (!AllFinite(a_.logits.data(), wanted * c.vocab, DType::kF32)) {
      return DataLoss(
          "a logit is not a finite number: the model file is damaged, or holds numbers "
          "that " +
          std::string(Name(dtype)) + " cannot compute with");
    }
    std::copy_n(a_.logits.data(), wanted * c.vocab, s.logits);
  }
  return {};
}

}  // namespace kvlink

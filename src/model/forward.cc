// The forward pass of the llama architecture, on one screen. The same pass encodes a document
// (empty context), answers over blocks (linked), and computes the masked reference (segments).
// Letters: T rows of the pass, E width, H heads, G kv heads, D head size, F feed-forward.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"
#include "tensor/attention_received.h"
#include "tensor/kernels.h"
#include "tensor/thread_team.h"

namespace kvlink::model {
namespace {

// Waking the other threads takes as long as a kernel's row or two: up to so many rows are computed
// by the calling thread alone.
constexpr int64_t kSerialRows = 4;

// Of logits at a time: what bounds their memory.
constexpr int64_t kLogitRows = 32;

tensor::KvView ViewOf(const Segment& s, int32_t layer) {
  return {s.keys[layer], s.values[layer], s.tokens, s.stride,
          s.start,       s.shift,         s.hidden, s.ape_weighed};
}

// Positions that angles are needed for: the largest distance between a new token and a block's
// first.
int64_t FarthestDistance(const Sequence& s) {
  int64_t origin = 0;
  for (const Segment& segment : s.segments) {
    origin = std::min<int64_t>(origin, segment.start - segment.shift);
  }
  return *std::max_element(s.positions.begin(), s.positions.end()) - origin;
}

// Tails with their new tokens, which they lose again unless the pass comes to its end.
class GrownTails {
 public:
  GrownTails() = default;
  ~GrownTails() {
    for (const auto& [tail, size] : before_) tail->Truncate(size);
  }
  GrownTails(const GrownTails&) = delete;
  GrownTails& operator=(const GrownTails&) = delete;
  void Grow(const Sequence& s) {
    before_.emplace_back(s.tail, s.tail->size());
    s.tail->Grow(static_cast<int64_t>(s.tokens.size()), s.segment_ids);
  }
  void Keep() { before_.clear(); }

 private:
  std::vector<std::pair<Tail*, int64_t>> before_;
};

// An error of one sequence of several says which.
Status Naming(const Status& status, size_t i, size_t count) {
  if (status.ok() || count == 1) return status;
  return Status(status.code(), "sequence " + std::to_string(i) + " of " + std::to_string(count) +
                                   ": " + status.message());
}

}  // namespace

void Model::Embed(const PassRows& rows) {
  const int64_t E = config_.width;
#pragma omp parallel for schedule(static) if (rows.total() > kSerialRows)
  for (int64_t row = 0; row < rows.total(); ++row) {
    const Piece& piece = rows.PieceOf(row);
    const Sequence& s = *piece.sequence;
    float* x = a_.x.data() + row * E;
    if (row >= piece.row + piece.count) {  // padded
      std::fill_n(x, E, 0.0f);
    } else if (const int32_t id = s.tokens[piece.token + row - piece.row]; id >= 0) {
      weights_.embedding.ReadRow(id, x);
    } else {
      std::copy_n(s.embeddings.data() + ~id * E, E, x);
    }
  }
}

Status Model::Multiply(const PassRows& rows, int32_t layer, ProjectionGroup group,
                       tensor::Linear& w, float* out) {
  const int64_t row_bytes = w.k() * SizeOf(matmul_dtype_), n = w.n();
  const std::byte* in = a_.normed.data();
  KVLINK_RETURN_IF_ERROR(w.RunRows(in, rows.generated(), out));
  for (const Piece& p : rows.prompts()) {
    KVLINK_RETURN_IF_ERROR(w.Run(in + p.row * row_bytes, p.count, out + p.row * n));
  }
  const auto adapt = [&](const Piece& first, int64_t count) -> Status {
    const Sequence& s = *first.sequence;
    if (s.adapter == nullptr) return {};
    return s.adapter->Add(layer, group, s.generated, in + first.row * row_bytes,
                          rows.active().subspan(first.row, count), out + first.row * n);
  };
  const std::span<const Piece> generated = rows.rows();
  for (size_t begin = 0, end = 0; begin < generated.size(); begin = end) {
    const PreparedAdapter* adapter = generated[begin].sequence->adapter;
    while (end < generated.size() && generated[end].sequence->adapter == adapter) ++end;
    KVLINK_RETURN_IF_ERROR(adapt(generated[begin], static_cast<int64_t>(end - begin)));
  }
  for (const Piece& p : rows.prompts()) KVLINK_RETURN_IF_ERROR(adapt(p, p.count));
  return {};
}

// K and V of the new tokens into the tails: keys rotated to their positions.
void Model::AppendKv(const PassRows& rows, int32_t layer) {
  const int64_t D = config_.head_dim, G = config_.kv_heads, QD = config_.heads * D;
  const int64_t row_bytes = D * SizeOf(kv_dtype_);
#pragma omp parallel for schedule(static) if (rows.total() > kSerialRows)
  for (int64_t row = 0; row < rows.total(); ++row) {
    const Piece& piece = rows.PieceOf(row);
    const Sequence& s = *piece.sequence;
    const int64_t i = row - piece.row;
    if (i >= piece.count) continue;  // padded
    const int32_t position = s.positions[piece.token + i];
    const float* k = a_.qkv.data() + row * (QD + 2 * G * D) + QD;
    auto* const keys = static_cast<std::byte*>(s.tail->keys(layer));
    auto* const values = static_cast<std::byte*>(s.tail->values(layer));
    for (int64_t g = 0; g < G; ++g) {
      const int64_t at = (g * s.tail->stride() + piece.own + i) * row_bytes;
      tensor::Rotate(k + g * D, rope_->Cosines(position), rope_->Sines(position), rope_->rotated(),
                     D, 1.0f, kv_dtype_, keys + at);
      tensor::ConvertTo(k + (G + g) * D, D, kv_dtype_, values + at);
    }
  }
}

Status Model::Attend(std::span<const Sequence> batch, const PassRows& rows, int32_t layer,
                     Probe* probe) {
  const ModelConfig& c = config_;
  const int64_t QD = static_cast<int64_t>(c.heads) * c.head_dim;
  const int64_t QKV = QD + 2ll * c.kv_heads * c.head_dim;
  std::vector<std::vector<tensor::KvView>> views(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    for (const Segment& segment : batch[i].segments) views[i].push_back(ViewOf(segment, layer));
  }
  std::vector<tensor::AttentionInput> inputs;
  for (const Piece& p : rows.all()) {
    const Sequence& s = *p.sequence;
    const int64_t tail_tokens = p.own + p.count;
    inputs.push_back(
        {.tokens = p.count,
         .generated = s.generated,
         .queries = a_.qkv.data() + p.row * QKV,
         .query_stride = QKV,
         .positions = s.positions.subspan(p.token, p.count),
         .segments = views[p.sequence - batch.data()],
         .tail = {s.tail->keys(layer), s.tail->values(layer), tail_tokens, s.tail->stride(), 0},
         .tail_segment_ids = s.tail->segment_ids(),
         .ape = s.ape,
         .out = a_.normed.data() + p.row * QD * SizeOf(matmul_dtype_),
         .out_dtype = matmul_dtype_});
  }
  if (probe == nullptr || layer < probe->layer) return attention_->Run(inputs);
  if (probe->attention_from < 0) return {};
  const tensor::AttentionShape shape{c.heads, c.kv_heads, c.head_dim, kv_dtype_, matmul_dtype_};
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int64_t from = std::max<int64_t>(0, probe->attention_from - rows.all()[i].token);
    const std::vector<float> received = tensor::AttentionReceived(shape, *rope_, inputs[i], from);
    probe->attention.resize(received.size());
    for (size_t j = 0; j < received.size(); ++j) probe->attention[j] += received[j];
  }
  return {};
}

Status Model::Logits(std::span<const Sequence> batch, const PassRows& rows) {
  struct Wanted {
    size_t sequence;
    int64_t row;
    float* out;
  };
  const int64_t E = config_.width, V = config_.vocab;
  std::vector<Wanted> wanted;
  for (size_t i = 0; i < batch.size(); ++i) {
    float* out = batch[i].logits;
    for (const int32_t token : batch[i].logit_rows) {
      wanted.push_back({i, rows.RowOf(batch[i], token), out});
      out += V;
    }
  }
  const auto count = static_cast<int64_t>(wanted.size());
  const int64_t at_once = std::min(count, kLogitRows);
  a_.normed.resize(std::max<size_t>(a_.normed.size(), at_once * E * SizeOf(matmul_dtype_)));
  a_.logits.resize(std::max<size_t>(a_.logits.size(), at_once * V));
  for (int64_t first = 0; first < count; first += at_once) {
    const int64_t some = std::min(at_once, count - first);
    for (int64_t r = 0; r < some; ++r) {
      tensor::RmsNorm(a_.x.data() + wanted[first + r].row * E, weights_.final_norm.data(),
                      config_.norm_epsilon, E, matmul_dtype_,
                      a_.normed.data() + r * E * SizeOf(matmul_dtype_));
    }
    KVLINK_RETURN_IF_ERROR(
        weights_.output_head[0].RunRows(a_.normed.data(), some, a_.logits.data()));
    for (int64_t r = 0; r < some; ++r) {
      const float* logits = a_.logits.data() + r * V;
      if (!tensor::AllFinite(logits, V, DType::kF32)) {
        return Naming(
            DataLoss("a logit is not a finite number: the model file is damaged, or holds "
                     "numbers that " +
                     std::string(Name(matmul_dtype_)) + " cannot compute with"),
            wanted[first + r].sequence, batch.size());
      }
      std::copy_n(logits, V, wanted[first + r].out);
    }
  }
  return {};
}

void Model::ReserveActivations(int64_t rows) {
  const int64_t E = config_.width, F = config_.feed_forward;
  const int64_t QD = static_cast<int64_t>(config_.heads) * config_.head_dim;
  const int64_t QKV = QD + 2ll * config_.kv_heads * config_.head_dim;
  a_.x.resize(rows * E);
  a_.normed.resize(rows * std::max({E, QD, F}) * SizeOf(matmul_dtype_));
  a_.qkv.resize(rows * QKV);
  a_.y.resize(rows * std::max(E, 2 * F));
}

Status Model::Forward(std::span<Sequence> batch, Probe* probe,
                      const std::function<Status()>& between) {
  KVLINK_RETURN_IF_ERROR(CheckProcess());
  for (size_t i = 0; i < batch.size(); ++i) {
    KVLINK_RETURN_IF_ERROR(Naming(Check(batch[i]), i, batch.size()));
  }
  const ModelConfig& c = config_;
  const int64_t E = c.width, F = c.feed_forward, QD = static_cast<int64_t>(c.heads) * c.head_dim;
  const int64_t QKV = QD + 2ll * c.kv_heads * c.head_dim;
  const DType dtype = matmul_dtype_;
  const PassRows rows(batch, kPieceTokens, dtype);
  const int64_t T = rows.total();
  if (T == 0) return {};
  // One team for the whole pass, as large as the narrowest products of pieces allow.
  int64_t most = threads_;
  if (rows.largest() > 0) {
    most = std::min(most, tensor::Linear::MostThreads(rows.largest(), std::min({E, QKV, 2 * F})));
  }
  const tensor::TeamScope team(static_cast<int>(most));
  KVLINK_RETURN_IF_ERROR(team.status());
  for (const Sequence& s : batch) {
    if (!s.positions.empty()) rope_->Reserve(FarthestDistance(s) + 1);
  }
  ReserveActivations(T);
  float *x = a_.x.data(), *y = a_.y.data();
  std::byte* normed = a_.normed.data();
  GrownTails tails;
  for (const Sequence& s : batch) tails.Grow(s);

  const auto norm = [&](const std::vector<float>& weight) {
#pragma omp parallel for schedule(static) if (T > kSerialRows)
    for (int64_t t = 0; t < T; ++t) {
      tensor::RmsNorm(x + t * E, weight.data(), c.norm_epsilon, E, dtype,
                      normed + t * E * SizeOf(dtype));
    }
  };
  const auto add_residual = [&] {
#pragma omp parallel for schedule(static) if (T > kSerialRows)
    for (int64_t t = 0; t < T; ++t) tensor::AddTo(y + t * E, E, x + t * E);
  };

  Embed(rows);
  for (int32_t l = 0; l < c.layers; ++l) {
    LayerWeights& w = weights_.layers[l];
    norm(w.attention_norm);
    KVLINK_RETURN_IF_ERROR(Multiply(rows, l, ProjectionGroup::kQkv, w.qkv, a_.qkv.data()));
    AppendKv(rows, l);
    KVLINK_RETURN_IF_ERROR(Attend(batch, rows, l, probe));
    if (probe != nullptr && l == probe->layer) {
      tails.Keep();
      return {};
    }
    KVLINK_RETURN_IF_ERROR(Multiply(rows, l, ProjectionGroup::kOutput, w.output, y));
    add_residual();

    norm(w.feed_forward_norm);
    KVLINK_RETURN_IF_ERROR(Multiply(rows, l, ProjectionGroup::kGateUp, w.gate_up, y));
#pragma omp parallel for schedule(static) if (T > kSerialRows)
    for (int64_t t = 0; t < T; ++t) {
      tensor::SiluMul(y + t * 2 * F, y + t * 2 * F + F, F, dtype, normed + t * F * SizeOf(dtype));
    }
    KVLINK_RETURN_IF_ERROR(Multiply(rows, l, ProjectionGroup::kDown, w.down, y));
    add_residual();
    if (!between || l + 1 == c.layers) continue;
    // Only the residual stream lives on from one layer to the next.
    std::vector<float> residual = std::exchange(a_.x, {});
    Status go_on = between();
    a_.x = std::move(residual);
    ReserveActivations(T);
    x = a_.x.data();
    y = a_.y.data();
    normed = a_.normed.data();
    KVLINK_RETURN_IF_ERROR(go_on);
  }
  KVLINK_RETURN_IF_ERROR(Logits(batch, rows));
  tails.Keep();
  return {};
}

}  // namespace kvlink::model

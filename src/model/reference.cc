#include "model/reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

#include "base/guarded.h"
#include "model/weights.h"
#include "tensor/thread_team.h"

namespace kvlink::model {
namespace {

using Matrix = std::vector<float>;  // row-major

// y [T, N] = x [T, K] W^T, W [N, K] read row by row.
Matrix Multiply(const Matrix& x, int64_t rows, const formats::TensorInfo& w) {
  const int64_t n = w.shape[0], k = w.shape[1];
  Matrix y(static_cast<size_t>(rows * n));
  const auto multiply_row = [&](int64_t i) {
    std::vector<float> row(static_cast<size_t>(k));
    ReadRow(w, i, row.data());
    for (int64_t t = 0; t < rows; ++t) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) sum += static_cast<double>(x[t * k + j]) * row[j];
      y[t * n + i] = static_cast<float>(sum);
    }
  };
  ParallelGuard guard;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; ++i) guard.Run([&] { multiply_row(i); });
  guard.Rethrow();
  return y;
}

Matrix Norm(const Matrix& x, int64_t rows, const std::vector<float>& weight, float epsilon) {
  const int64_t e = static_cast<int64_t>(weight.size());
  Matrix out(x.size());
  for (int64_t t = 0; t < rows; ++t) {
    double squares = 0;
    for (int64_t i = 0; i < e; ++i) squares += static_cast<double>(x[t * e + i]) * x[t * e + i];
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(e) + epsilon);
    for (int64_t i = 0; i < e; ++i) {
      out[t * e + i] = static_cast<float>(x[t * e + i] * scale * weight[i]);
    }
  }
  return out;
}

// RoPE on heads [T, heads, D] at their absolute positions; the frequencies computed afresh.
void RotateHeads(Matrix* x, int64_t rows, int64_t heads, int64_t d, const RopeConfig& rope,
                 std::span<const int32_t> positions) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      float* v = x->data() + (t * heads + h) * d;
      for (int64_t i = 0; i < rope.dims / 2; ++i) {
        double angle =
            positions[t] * std::pow(rope.base, -2.0 * static_cast<double>(i) / rope.dims);
        if (rope.scaling == RopeScaling::kLinear) angle /= rope.factor;
        if (rope.scaling == RopeScaling::kLlama3) angle /= rope.divisors[i];
        const double a = v[2 * i], b = v[2 * i + 1];
        v[2 * i] = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
        v[2 * i + 1] = static_cast<float>(a * std::sin(angle) + b * std::cos(angle));
      }
    }
  }
}

class Pass {
 public:
  Pass(const formats::GgufFile& file, const ModelConfig& config, const ReferenceInput& input)
      : file_(file), c_(config), in_(input), rows_(static_cast<int64_t>(input.tokens.size())) {}

  std::vector<float> Logits() {
    Matrix x = Embeddings();
    for (int32_t l = 0; l < c_.layers; ++l) {
      const std::string blk = "blk." + std::to_string(l) + ".";
      Matrix n = Norm(x, rows_, Vector(blk + "attn_norm.weight"), c_.norm_epsilon);
      Matrix q = Project(blk + "attn_q.weight", n, l, Projection::kQ);
      Matrix k = Project(blk + "attn_k.weight", n, l, Projection::kK);
      const Matrix v = Project(blk + "attn_v.weight", n, l, Projection::kV);
      RotateHeads(&q, rows_, c_.heads, c_.head_dim, c_.rope, in_.positions);
      RotateHeads(&k, rows_, c_.kv_heads, c_.head_dim, c_.rope, in_.positions);
      Add(Project(blk + "attn_output.weight", Attend(q, k, v), l, Projection::kO), &x);
      n = Norm(x, rows_, Vector(blk + "ffn_norm.weight"), c_.norm_epsilon);
      Matrix gate = Project(blk + "ffn_gate.weight", n, l, Projection::kGate);
      const Matrix up = Project(blk + "ffn_up.weight", n, l, Projection::kUp);
      for (size_t i = 0; i < gate.size(); ++i) {
        const double g = gate[i];
        gate[i] = static_cast<float>(g / (1.0 + std::exp(-g)) * up[i]);
      }
      Add(Project(blk + "ffn_down.weight", gate, l, Projection::kDown), &x);
    }
    Matrix wanted;
    for (int32_t r : in_.logit_rows) {
      wanted.insert(wanted.end(), x.begin() + r * c_.width, x.begin() + (r + 1) * c_.width);
    }
    const int64_t count = static_cast<int64_t>(in_.logit_rows.size());
    const Matrix n = Norm(wanted, count, Vector("output_norm.weight"), c_.norm_epsilon);
    return Multiply(n, count,
                    *file_.FindTensor(c_.tied_output ? "token_embd.weight" : "output.weight"));
  }

 private:
  std::vector<float> Vector(const std::string& name) { return ReadVector(*file_.FindTensor(name)); }

  static void Add(const Matrix& y, Matrix* x) {
    for (size_t i = 0; i < y.size(); ++i) (*x)[i] += y[i];
  }

  Matrix Embeddings() {
    const formats::TensorInfo& table = *file_.FindTensor("token_embd.weight");
    Matrix x(static_cast<size_t>(rows_ * c_.width));
    for (int64_t t = 0; t < rows_; ++t) {
      const int32_t id = in_.tokens[t];
      if (id >= 0) {
        ReadRow(table, id, x.data() + t * c_.width);
      } else {
        std::copy_n(in_.embeddings.data() + ~id * c_.width, c_.width, x.data() + t * c_.width);
      }
    }
    return x;
  }

  // x W^T, and the adapter's B A x where it acts.
  Matrix Project(const std::string& name, const Matrix& x, int32_t layer, Projection projection) {
    Matrix y = Multiply(x, rows_, *file_.FindTensor(name));
    if (in_.adapter == nullptr) return y;
    const LowRank& low = in_.adapter->layers[layer][static_cast<int>(projection)];
    if (low.rank == 0) return y;
    const int64_t r = low.rank, k = static_cast<int64_t>(low.a.size()) / r,
                  n = static_cast<int64_t>(low.b.size()) / r;
    for (int64_t t = 0; t < rows_; ++t) {
      if (in_.adapter->scope == AdapterScope::kOutsideDocuments && IsDocument(t)) continue;
      std::vector<double> inner(static_cast<size_t>(r), 0.0);
      for (int64_t i = 0; i < r; ++i) {
        for (int64_t j = 0; j < k; ++j)
          inner[i] += static_cast<double>(low.a[i * k + j]) * x[t * k + j];
      }
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < r; ++j) sum += low.b[i * r + j] * inner[j];
        y[t * n + i] += static_cast<float>(sum);
      }
    }
    return y;
  }

  bool IsDocument(int64_t t) const {
    return in_.in_document.empty() ? in_.segment_ids[t] != 0 : in_.in_document[t] != 0;
  }

  // docs/method.md, section 3: q sees k if k <= q and (q is in segment 0 or in k's segment). -s:
  // what stands before segment s, for s and itself.
  bool Sees(int64_t t, int64_t s) const {
    if (!in_.visible.empty()) return in_.visible[t * rows_ + s] != 0;
    const int32_t query = in_.segment_ids[t], key = in_.segment_ids[s];
    return query == 0 ? key >= 0 : std::abs(query) == std::abs(key);
  }

  // Makes the weighed keys' sum of exponentials z into z^scale; weights [t + 1] are logarithms.
  void Weigh(std::vector<double>* weight) const {
    double largest = -1e300, sum = 0;
    for (size_t s = 0; s < weight->size(); ++s) {
      if (in_.ape_weighed[s] && (*weight)[s] > -1e300) {
        (*weight)[s] /= in_.ape_temperature;
        largest = std::max(largest, (*weight)[s]);
      }
    }
    if (largest == -1e300) return;
    for (size_t s = 0; s < weight->size(); ++s) {
      if (in_.ape_weighed[s]) sum += std::exp((*weight)[s] - largest);
    }
    const double log_sum = largest + std::log(sum);
    for (size_t s = 0; s < weight->size(); ++s) {
      if (in_.ape_weighed[s] && (*weight)[s] > -1e300)
        (*weight)[s] += (in_.ape_scale - 1) * log_sum;
    }
  }

  Matrix Attend(const Matrix& q, const Matrix& k, const Matrix& v) {
    const int64_t d = c_.head_dim, H = c_.heads, G = c_.kv_heads;
    Matrix out(static_cast<size_t>(rows_ * H * d));
    const auto attend = [&](int64_t t) {
      std::vector<double> weight(static_cast<size_t>(t + 1));
      for (int64_t h = 0; h < H; ++h) {
        const int64_t g = h / (H / G);
        double largest = -1e300, sum = 0;
        for (int64_t s = 0; s <= t; ++s) {
          if (!Sees(t, s)) {
            weight[s] = -1e300;
            continue;
          }
          double dot = 0;
          for (int64_t i = 0; i < d; ++i) {
            dot += static_cast<double>(q[(t * H + h) * d + i]) * k[(s * G + g) * d + i];
          }
          weight[s] = dot / std::sqrt(static_cast<double>(d));
        }
        if (!in_.ape_weighed.empty() && !in_.ape_weighed[t]) Weigh(&weight);
        for (int64_t s = 0; s <= t; ++s) largest = std::max(largest, weight[s]);
        for (int64_t s = 0; s <= t; ++s) sum += weight[s] = std::exp(weight[s] - largest);
        for (int64_t i = 0; i < d; ++i) {
          double total = 0;
          for (int64_t s = 0; s <= t; ++s) total += weight[s] * v[(s * G + g) * d + i];
          out[(t * H + h) * d + i] = static_cast<float>(total / sum);
        }
      }
    };
    ParallelGuard guard;
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t t = 0; t < rows_; ++t) guard.Run([&] { attend(t); });
    guard.Rethrow();
    return out;
  }

  const formats::GgufFile& file_;
  const ModelConfig& c_;
  const ReferenceInput& in_;
  const int64_t rows_;
};

}  // namespace

Result<std::vector<float>> ReferenceLogits(const formats::GgufFile& file, const ModelConfig& config,
                                           const ReferenceInput& input) {
  if (input.positions.size() != input.tokens.size() ||
      input.segment_ids.size() != input.tokens.size()) {
    return InvalidArgument("tokens, positions and segments of a prompt must be as many");
  }
  const tensor::TeamScope team(0);
  KVLINK_RETURN_IF_ERROR(team.status());
  return Pass(file, config, input).Logits();
}

}  // namespace kvlink::model

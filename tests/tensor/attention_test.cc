// Attention over segments and tail against the formula in plain loops, at sizes around its tiles;
// and linear layers against plain sums.
#include "tensor/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "tensor/attention_received.h"
#include "tensor/kernels.h"
#include "tensor/linear.h"
#include "tensor/thread_team.h"

namespace kvlink::tensor {
namespace {

std::vector<float> Random(int64_t n, std::mt19937* random) {
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> out(static_cast<size_t>(n));
  for (float& f : out) f = normal(*random);
  return out;
}

// To what bf16 holds.
void Round(std::vector<float>* x) {
  for (float& f : *x) f = FromBf16(ToBf16(f));
}

// Keys or values of n tokens [G, stride, D] in a dtype, zero behind n.
struct Planes {
  std::vector<float> exact;  // what the dtype holds
  std::vector<std::byte> bytes;
  int64_t stride = 0;
  Planes(int64_t groups, int64_t n, int64_t d, DType dtype, std::mt19937* random)
      : stride((n + 15) / 16 * 16) {
    exact.assign(static_cast<size_t>(groups * stride * d), 0.0f);
    for (int64_t g = 0; g < groups; ++g) {
      const auto rows = Random(n * d, random);
      std::copy(rows.begin(), rows.end(), exact.begin() + g * stride * d);
    }
    bytes.resize(exact.size() * SizeOf(dtype));
    ConvertTo(exact.data(), static_cast<int64_t>(exact.size()), dtype, bytes.data());
    ConvertFrom(bytes.data(), static_cast<int64_t>(exact.size()), dtype, exact.data());
  }
};

struct Case {
  int64_t new_tokens;
  int64_t tail_before;  // tokens of the tail that are not new
  std::vector<int64_t> segment_tokens;
  bool masked;
  // What only some ways of making a prompt ask for (docs/methods.md):
  bool hidden = false;   // some tokens of segments are; all of the first
  bool shifted = false;  // every other segment's keys are rotated as if it stood at 0
  bool weighed = false;  // every other segment, at temperature 0.8 and scale 0.7
  bool inside = false;   // the new tokens stand inside the segments, spread over all of them
};

void ExpectEqualsFormula(const Case& the, const AttentionShape& shape, double tolerance) {
  std::mt19937 random(5);
  const int64_t H = shape.heads, G = shape.kv_heads, D = shape.head_dim, T = the.new_tokens;
  std::vector<double> frequencies;
  for (int64_t i = 0; i < D / 2; ++i) frequencies.push_back(std::pow(100.0, -2.0 * i / D));
  RopeTable rope(frequencies);

  // Segments one behind the other with a gap of 2 after each, as if link tokens stood there.
  std::vector<Planes> keys, values;
  std::vector<KvView> segments;
  int64_t position = 3;
  for (const int64_t n : the.segment_tokens) {
    keys.emplace_back(G, n, D, shape.kv_dtype, &random);
    values.emplace_back(G, n, D, shape.kv_dtype, &random);
    segments.push_back({nullptr, nullptr, n, keys.back().stride, position});
    segments.back().shift = the.shifted && segments.size() % 2 == 0 ? position : 0;
    segments.back().ape_weighed = the.weighed && segments.size() % 2 == 1;
    position += n + 2;
  }
  std::vector<std::vector<uint8_t>> hidden;
  for (const KvView& segment : segments) {
    hidden.emplace_back(static_cast<size_t>(segment.tokens));
    for (uint8_t& h : hidden.back()) h = hidden.size() == 1 || random() % 3 == 0;
  }
  const int64_t tail_tokens = the.tail_before + T;
  keys.emplace_back(G, tail_tokens, D, shape.kv_dtype, &random);
  values.emplace_back(G, tail_tokens, D, shape.kv_dtype, &random);
  KvView tail{keys.back().bytes.data(), values.back().bytes.data(), tail_tokens, keys.back().stride,
              0};
  for (size_t i = 0; i < segments.size(); ++i) {
    segments[i].keys = keys[i].bytes.data();
    segments[i].values = values[i].bytes.data();
    if (the.hidden) segments[i].hidden = hidden[i].data();
  }
  // The first new token stands before the last segment's end, so that some see less.
  std::vector<int32_t> positions;
  for (int64_t t = 0; t < T; ++t) {
    positions.push_back(static_cast<int32_t>(t == 0 ? std::max<int64_t>(position - 3, 0)
                                                    : position + the.tail_before + t));
    if (the.inside) positions.back() = static_cast<int32_t>(3 + t * (position - 3) / T);
  }
  rope.Reserve(positions.back() + 1);
  std::vector<int32_t> tail_segments;
  if (the.masked) {
    for (int64_t i = 0; i < tail_tokens; ++i) {
      tail_segments.push_back(static_cast<int32_t>(i / 5 % 3));
    }
  }
  const auto queries = Random(T * H * D, &random);
  std::vector<float> out(static_cast<size_t>(T * H * D));
  Attention attention(shape, &rope);
  const AttentionInput input = {.tokens = T,
                                .queries = queries.data(),
                                .query_stride = H * D,
                                .positions = positions,
                                .segments = segments,
                                .tail = tail,
                                .tail_segment_ids = tail_segments,
                                .ape = Ape{.temperature = 0.8f, .scale = 0.7f},
                                .out = out.data(),
                                .out_dtype = DType::kF32};
  const Status status = attention.Run({&input, 1});
  ASSERT_TRUE(status.ok()) << status.message();
  // As generated rows, each an input of its own, the same in f32 whatever tiles multiply in.
  std::vector<float> out_of_rows(out.size());
  std::vector<AttentionInput> generated;
  for (int64_t t = 0; t < T; ++t) {
    generated.push_back(input);
    generated.back().tokens = 1;
    generated.back().generated = true;
    generated.back().queries += t * H * D;
    generated.back().positions = std::span(positions).subspan(t, 1);
    generated.back().tail.tokens = the.tail_before + t + 1;
    generated.back().out = out_of_rows.data() + t * H * D;
  }
  ASSERT_TRUE(attention.Run(generated).ok());
  // Alone, a row has the bits that it has among all others.
  for (int64_t t = 0; t < T; t += 1 + T / 4) {
    std::vector<float> alone(static_cast<size_t>(H * D));
    AttentionInput one = generated[t];
    one.out = alone.data();
    ASSERT_TRUE(attention.Run({&one, 1}).ok());
    ASSERT_EQ(std::memcmp(alone.data(), generated[t].out, alone.size() * 4), 0) << "token " << t;
  }
  std::vector<double> received;  // by tokens of segments, from the last two thirds of the queries
  for (const int64_t n : the.segment_tokens) received.resize(received.size() + n);

  for (int64_t t = 0; t < T; ++t) {
    for (int64_t h = 0; h < H; ++h) {
      const int64_t g = h / (H / G);
      std::vector<double> weights;  // of all keys
      std::vector<const float*> rows;
      std::vector<bool> weighed;
      std::vector<size_t> tokens;  // their places in `received`
      const auto see = [&](const KvView& view, size_t which, int64_t j) {
        std::vector<float> q(static_cast<size_t>(D));
        const int64_t distance = positions[t] - view.start + view.shift;
        Rotate(queries.data() + (t * H + h) * D, rope.Cosines(distance), rope.Sines(distance), D, D,
               1.0f, DType::kF32, q.data());
        const float* k = keys[which].exact.data() + (g * keys[which].stride + j) * D;
        double dot = 0;
        for (int64_t i = 0; i < D; ++i) dot += static_cast<double>(q[i]) * k[i];
        const double temperature = view.ape_weighed ? 0.8 : 1;
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(D)) / temperature));
        weighed.push_back(view.ape_weighed);
        rows.push_back(values[which].exact.data() + (g * values[which].stride + j) * D);
      };
      size_t before = 0;
      for (size_t s = 0; s < segments.size(); before += segments[s++].tokens) {
        for (int64_t j = 0; j < segments[s].tokens; ++j) {
          if (segments[s].start + j >= positions[t] || (the.hidden && hidden[s][j])) continue;
          see(segments[s], s, j);
          tokens.push_back(before + j);
        }
      }
      const int64_t own = the.tail_before + t;
      for (int64_t j = 0; j <= own; ++j) {
        if (the.masked && tail_segments[own] != 0 && tail_segments[own] != tail_segments[j]) {
          continue;
        }
        see(tail, segments.size(), j);
      }
      // The weighed sum z becomes z^0.7, shared out among its keys as before.
      double total = 0, own_softmax = 0;
      for (size_t j = 0; j < weights.size(); ++j) own_softmax += weighed[j] ? weights[j] : 0;
      for (size_t j = 0; j < weights.size(); ++j) {
        if (weighed[j]) weights[j] *= std::pow(own_softmax, 0.7) / own_softmax;
        total += weights[j];
      }
      for (size_t j = 0; t >= T / 3 && j < tokens.size(); ++j) {
        received[tokens[j]] += weights[j] / total;
      }
      for (int64_t i = 0; i < D; ++i) {
        double expected = 0;
        for (size_t j = 0; j < rows.size(); ++j) expected += weights[j] / total * rows[j][i];
        ASSERT_NEAR(out[(t * H + h) * D + i], expected, tolerance)
            << "token " << t << " head " << h << " of " << T;
        ASSERT_NEAR(out_of_rows[(t * H + h) * D + i], expected, 2e-5)
            << "generated token " << t << " head " << h << " of " << T;
      }
    }
  }
  if (the.masked || the.weighed) return;  // not what AttentionReceived computes
  const std::vector<float> sums = AttentionReceived(shape, rope, input, T / 3);
  ASSERT_EQ(sums.size(), received.size());
  for (size_t j = 0; j < sums.size(); ++j) {
    ASSERT_NEAR(sums[j], received[j], 1e-4 * (1 + received[j])) << "token " << j;
  }
}

TEST(Attention, EqualsTheFormula) {
  const std::vector<Case> cases = {{1, 0, {}, false},           {1, 40, {17, 1}, false},
                                   {3, 5, {30}, false},         {16, 0, {16, 15}, false},
                                   {65, 2, {64}, false},        {130, 0, {5, 90}, false},
                                   {1, 700, {600, 513}, false}, {20, 600, {512}, false},
                                   {40, 0, {}, true},           {70, 9, {20}, true}};
  for (const DType kv : {DType::kF32, DType::kBF16}) {
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(std::string(Name(kv)) + " case " + std::to_string(i));
      ExpectEqualsFormula(cases[i], {6, 2, 32, kv, DType::kF32}, 2e-5);
    }
  }
}

TEST(Attention, HiddenShiftedAndWeighedSegmentsEqualTheFormula) {
  const std::vector<int64_t> segments = {20, 530, 17, 3}, one = {40};
  for (const DType kv : {DType::kF32, DType::kBF16}) {
    for (const int64_t tokens : {1, 3, 20, 130}) {  // one row at a time, and tiles
      for (int bits = 1; bits < 16; ++bits) {
        SCOPED_TRACE(std::string(Name(kv)) + " tokens " + std::to_string(tokens) + " bits " +
                     std::to_string(bits));
        const Case the{tokens,
                       7,
                       bits % 3 == 0 ? one : segments,
                       false,
                       (bits & 1) != 0,
                       (bits & 2) != 0,
                       (bits & 4) != 0,
                       (bits & 8) != 0};
        ExpectEqualsFormula(the, {6, 2, 32, kv, DType::kF32}, 2e-5);
        ExpectEqualsFormula(the, {6, 2, 32, kv, MatmulDType(kv)}, 4e-2);
      }
    }
  }
}

// Where the CPU multiplies bf16, tiles are rounded to it: 8 bits.
TEST(Attention, EqualsTheFormulaInThisMachinesMatmulDType) {
  ExpectEqualsFormula({70, 9, {20, 100}, false},
                      {6, 2, 64, DType::kBF16, MatmulDType(DType::kBF16)}, 3e-2);
}

// Between a run that is too small to be shared out and one that is, shapes of tiles are the same:
// a kernel made for one must not be found by the other, which has no team inside a job.
TEST(Attention, SmallRunsBeforeLargeOnesChangeNothing) {
  for (const DType dtype : {DType::kF32, MatmulDType(DType::kBF16)}) {
    const AttentionShape shape{3, 1, 64, dtype, dtype};
    const double tolerance = dtype == DType::kF32 ? 1e-5 : 2e-2;
    const TeamScope team(2);
    ExpectEqualsFormula({6, 0, {20}, false}, shape, tolerance);
    ExpectEqualsFormula({6, 0, {20, 20, 20, 20, 20, 20, 20, 20}, false}, shape, tolerance);
    ExpectEqualsFormula({6, 0, {20}, false}, shape, tolerance);
  }
}

TEST(Linear, EqualsPlainSums) {
  std::mt19937 random(3);
  for (const DType dtype : {DType::kF32, MatmulDType(DType::kBF16)}) {
    for (const auto& [k, n] :
         std::vector<std::pair<int64_t, int64_t>>{{48, 80}, {64, 256}, {3, 5}}) {
      auto w = Random(n * k, &random);
      if (dtype == DType::kBF16) Round(&w);
      auto linear = Linear::Create(k, n, dtype, [&, k = k](int64_t begin, int64_t end, float* out) {
        std::copy(w.begin() + begin * k, w.begin() + end * k, out);
      });
      ASSERT_TRUE(linear.ok()) << linear.status().message();
      for (const int64_t rows : {1, 2, 3, 4, 5, 17, 64, 300}) {
        const int64_t padded = Linear::PaddedRows(rows, dtype);
        auto x = Random(padded * k, &random);
        if (dtype == DType::kBF16) Round(&x);
        std::vector<std::byte> input(static_cast<size_t>(padded * k * SizeOf(dtype)));
        ConvertTo(x.data(), padded * k, dtype, input.data());
        std::vector<float> y(static_cast<size_t>(padded * n));
        ASSERT_TRUE(linear->Run(input.data(), rows, y.data()).ok());
        for (int64_t t = 0; t < rows; ++t) {
          for (int64_t i = 0; i < n; ++i) {
            double expected = 0;
            for (int64_t j = 0; j < k; ++j) {
              expected += static_cast<double>(x[t * k + j]) * w[i * k + j];
            }
            // Inputs are what the dtype holds, sums are f32: the same bound for both.
            ASSERT_NEAR(y[t * n + i], expected, 1e-4) << rows << " rows " << k << "x" << n;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace kvlink::tensor

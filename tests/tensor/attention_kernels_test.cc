// Scores and sums of values against plain sums, on every instruction set that this CPU has; and
// each row has the bits that it has alone.
#include "tensor/attention_kernels.h"

#include <gtest/gtest.h>

#include <hwy/targets.h>
#include <random>
#include <vector>

namespace kvlink::tensor {
namespace {

std::vector<float> Random(int64_t n, std::mt19937* random) {
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> out(static_cast<size_t>(n));
  for (float& f : out) f = FromBf16(ToBf16(normal(*random)));
  return out;
}

TEST(AttentionKernels, EqualPlainSumsAndEachRowItselfAlone) {
  std::mt19937 random(9);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    for (const int64_t d : {7, 8, 16, 64, 80, 96, 200}) {
      for (const int64_t keys : {1, 37, 64}) {
        constexpr int64_t kRows = 70;
        const int64_t stride = keys + 3;
        const auto q = Random(kRows * d, &random), k = Random(keys * d, &random);
        const auto before = Random(kRows * d, &random);
        std::vector<bf16_t> low;
        for (const float f : k) low.push_back(ToBf16(f));
        for (const DType dtype : {DType::kF32, DType::kBF16}) {
          const void* data = dtype == DType::kF32 ? static_cast<const void*>(k.data()) : low.data();
          std::vector<float> scores(kRows * stride, 7.0f), out = before;
          ScoreRows(q.data(), kRows, data, keys, d, dtype, scores.data(), stride);
          AccumulateRows(scores.data(), stride, kRows, data, keys, d, dtype, out.data());
          for (int64_t r = 0; r < kRows; ++r) {
            for (int64_t j = 0; j < keys; ++j) {
              double expected = 0;
              for (int64_t i = 0; i < d; ++i) expected += double{q[r * d + i]} * k[j * d + i];
              ASSERT_NEAR(scores[r * stride + j], expected, 1e-4);
            }
            for (int64_t j = keys; j < stride; ++j) ASSERT_EQ(scores[r * stride + j], 7.0f);
            for (int64_t i = 0; i < d; ++i) {
              double expected = before[r * d + i];
              for (int64_t j = 0; j < keys; ++j) {
                expected += double{scores[r * stride + j]} * k[j * d + i];
              }
              ASSERT_NEAR(out[r * d + i], expected, 1e-3);
            }
          }
          for (int64_t r = 0; r < kRows; r += 1 + r / 5) {
            std::vector<float> alone(stride, 7.0f),
                sum(before.begin() + r * d, before.begin() + (r + 1) * d);
            ScoreRows(&q[r * d], 1, data, keys, d, dtype, alone.data(), stride);
            AccumulateRows(alone.data(), stride, 1, data, keys, d, dtype, sum.data());
            for (int64_t j = 0; j < keys; ++j) ASSERT_EQ(alone[j], scores[r * stride + j]);
            for (int64_t i = 0; i < d; ++i) ASSERT_EQ(sum[i], out[r * d + i]);
          }
        }
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace
}  // namespace kvlink::tensor

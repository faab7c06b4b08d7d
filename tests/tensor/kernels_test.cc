// Element-wise kernels against plain loops, on every instruction set that this CPU has, at sizes
// that fill vectors and sizes that do not.
#include "tensor/kernels.h"

#include <gtest/gtest.h>

#include <hwy/targets.h>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace kvlink::tensor {
namespace {

constexpr int64_t kSizes[] = {1, 2, 3, 7, 8, 15, 16, 31, 33, 64, 100, 577};

std::vector<float> Random(int64_t n, float scale, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> out(static_cast<size_t>(n));
  for (float& f : out) f = normal(random);
  return out;
}

std::vector<bf16_t> ToBf16s(const std::vector<float>& x) {
  std::vector<bf16_t> out;
  for (const float f : x) out.push_back(ToBf16(f));
  return out;
}

// Runs `check` once for each instruction set.
template <class F>
void OnEveryTarget(const F& check) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(Kernels, Bf16RoundsToNearestEven) {
  OnEveryTarget([] {
    std::vector<float> x = Random(1000, 10, 1);
    for (const float edge : {0.0f, -0.0f, 1.00390625f, 1.01171875f, -1.00390625f, 3.3895314e38f,
                             1e-40f, std::numeric_limits<float>::infinity(), -65504.0f}) {
      x.push_back(edge);
    }
    std::vector<bf16_t> out(x.size());
    ConvertTo(x.data(), static_cast<int64_t>(x.size()), DType::kBF16, out.data());
    EXPECT_EQ(out, ToBf16s(x));
    std::vector<float> back(x.size());
    ConvertFrom(out.data(), static_cast<int64_t>(x.size()), DType::kBF16, back.data());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(back[i], FromBf16(out[i]));
  });
}

TEST(Kernels, RmsNorm) {
  OnEveryTarget([] {
    for (const int64_t n : kSizes) {
      const auto x = Random(n, 2, 2), w = Random(n, 1, 3);
      double squares = 0;
      for (const float f : x) squares += static_cast<double>(f) * f;
      const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
      std::vector<float> out(static_cast<size_t>(n));
      RmsNorm(x.data(), w.data(), 1e-5f, n, DType::kF32, out.data());
      for (int64_t i = 0; i < n; ++i) EXPECT_NEAR(out[i], x[i] * scale * w[i], 1e-5) << n;
      std::vector<bf16_t> low(static_cast<size_t>(n));
      RmsNorm(x.data(), w.data(), 1e-5f, n, DType::kBF16, low.data());
      EXPECT_EQ(low, ToBf16s(out));
    }
  });
}

// Numbers whose squares have no sum are not made zeros of, which would pass for numbers.
TEST(Kernels, RmsNormOfTooLargeNumbersIsSeen) {
  for (const int n : {3, 32}) {
    const std::vector<float> x(static_cast<size_t>(n), 1e20f), w(static_cast<size_t>(n), 1.0f);
    std::vector<float> out(static_cast<size_t>(n));
    RmsNorm(x.data(), w.data(), 1e-5f, n, DType::kF32, out.data());
    EXPECT_FALSE(AllFinite(out.data(), n, DType::kF32));
  }
}

TEST(Kernels, SiluOfVeryNegativeNumbersIsNothing) {
  const std::vector<float> gate = {-1e38f, -1000,  -89,    -1e38f, -1000, -89,    -1e38f,
                                   -1000,  -89,    -1e38f, -1000,  -89,   -1e38f, -1000,
                                   -89,    -1e38f, -1000,  -89,    -1e38f};
  const std::vector<float> up(gate.size(), 1.0f);
  std::vector<float> out(gate.size());
  SiluMul(gate.data(), up.data(), static_cast<int64_t>(gate.size()), DType::kF32, out.data());
  for (const float value : out) EXPECT_NEAR(value, 0.0f, 1e-30f);
}

TEST(Kernels, SiluMul) {
  OnEveryTarget([] {
    for (const int64_t n : kSizes) {
      auto gate = Random(n, 4, 4);
      // exp of these overflows: silu must give 0, not NaN and not the gate itself.
      constexpr float kLarge[] = {-100, -178.2f, -300, -1e4f, 300};
      for (size_t i = 0; i < std::min(gate.size(), std::size(kLarge)); ++i) gate[i] = kLarge[i];
      const auto up = Random(n, 1, 5);
      std::vector<float> out(static_cast<size_t>(n));
      SiluMul(gate.data(), up.data(), n, DType::kF32, out.data());
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_NEAR(out[i], gate[i] / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i],
                    1e-5 * std::max(1.0f, std::abs(gate[i])));
      }
    }
  });
}

TEST(Kernels, RotateTurnsPairsAndScalesTheRest) {
  OnEveryTarget([] {
    for (const int64_t rotated : {2, 6, 16, 32, 64, 128}) {
      const int64_t d = rotated + 5;
      const auto x = Random(d, 1, 6), angles = Random(rotated / 2, 3, 7);
      std::vector<float> cosines, sines, out(static_cast<size_t>(d));
      for (const float a : angles) {
        cosines.push_back(std::cos(a));
        sines.push_back(std::sin(a));
      }
      Rotate(x.data(), cosines.data(), sines.data(), rotated, d, 0.5f, DType::kF32, out.data());
      for (int64_t i = 0; i < rotated / 2; ++i) {
        EXPECT_NEAR(out[2 * i], 0.5f * (x[2 * i] * cosines[i] - x[2 * i + 1] * sines[i]), 1e-6);
        EXPECT_NEAR(out[2 * i + 1], 0.5f * (x[2 * i] * sines[i] + x[2 * i + 1] * cosines[i]), 1e-6);
      }
      for (int64_t i = rotated; i < d; ++i) EXPECT_EQ(out[i], 0.5f * x[i]);
    }
  });
}

TEST(Kernels, SoftmaxRunsOverTiles) {
  OnEveryTarget([] {
    for (const int64_t n : kSizes) {
      auto scores = Random(n, 5, 8);
      if (n > 8) scores[7] = -std::numeric_limits<float>::infinity();  // a hidden key
      scores.resize(static_cast<size_t>(n + 16), 99.0f);               // not to be looked at
      // In two tiles: the second may raise the maximum.
      const int64_t first = n / 2;
      float maximum = -std::numeric_limits<float>::infinity(), sum = 0;
      std::vector<float> p(static_cast<size_t>(n + 32), 9.0f);
      float factor = 1;
      if (first > 0) SoftmaxRow(scores.data(), first, first, DType::kF32, &maximum, &sum, p.data());
      factor = SoftmaxRow(scores.data() + first, n - first, n - first + 16, DType::kF32, &maximum,
                          &sum, p.data() + first);
      scores.resize(static_cast<size_t>(n));
      double largest = *std::max_element(scores.begin(), scores.end()), total = 0;
      for (const float s : scores) total += std::exp(s - largest);
      EXPECT_FLOAT_EQ(maximum, static_cast<float>(largest));
      EXPECT_NEAR(sum, total, 1e-4 * total);
      for (int64_t i = 0; i < n; ++i) {
        const double mine = i < first ? p[i] * factor : p[i];
        EXPECT_NEAR(mine / sum, std::exp(scores[i] - largest) / total, 1e-6);
      }
      for (int64_t i = n; i < n + 16; ++i) EXPECT_EQ(p[i], 0);
      if (n > 8) {
        EXPECT_EQ(p[7], 0);
      }
    }
  });
}

// One rounding, in lanes and behind them, for every class of number: signed, tiny, halfway between
// two, at the edge of infinity, infinite, and no number of any payload, quiet and signalling.
TEST(Kernels, RoundingIsToBf16InEveryLane) {
  std::vector<uint32_t> bits;
  for (uint32_t high = 0; high < 0x10000; ++high) {
    for (const uint32_t low : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      bits.push_back(high << 16 | low);
    }
  }
  std::vector<float> x(bits.size());
  std::memcpy(x.data(), bits.data(), bits.size() * 4);
  OnEveryTarget([&] {
    for (const int64_t shift : {0, 1, 5}) {  // 5: the end is not a whole vector
      const int64_t n = static_cast<int64_t>(x.size()) - shift;
      std::vector<bf16_t> out(static_cast<size_t>(n));
      ConvertTo(x.data() + shift, n, DType::kBF16, out.data());
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(out[i], ToBf16(x[i + shift])) << std::hex << bits[i + shift];
        ASSERT_EQ(std::isnan(FromBf16(out[i])), std::isnan(x[i + shift]));
      }
    }
  });
}

TEST(Kernels, NoNumberStaysNoNumber) {
  OnEveryTarget([] {
    for (const uint32_t bits : {0x7fc00000u, 0x7fc00003u, 0xffc00001u, 0x7f800001u, 0x7fffffffu,
                                0xffffffffu, 0x7fff8000u, 0xffff8000u}) {
      float no_number;
      std::memcpy(&no_number, &bits, 4);
      constexpr int64_t kN = 37;
      for (const int64_t at : {0, 3, 16, 36}) {
        for (const DType dtype : {DType::kF32, DType::kBF16}) {
          auto x = Random(kN, 1, 21);
          const auto ones = std::vector<float>(kN, 1.0f);
          x[at] = no_number;
          std::vector<float> out(kN);
          std::vector<std::byte> stored(kN * 4 + 64);
          const auto load = [&] { ConvertFrom(stored.data(), kN, dtype, out.data()); };
          SiluMul(x.data(), ones.data(), kN, dtype, stored.data());
          load();
          EXPECT_TRUE(std::isnan(out[at])) << std::hex << bits << " at " << at;
          RmsNorm(ones.data(), x.data(), 1e-5f, kN, dtype, stored.data());
          load();
          EXPECT_TRUE(std::isnan(out[at])) << std::hex << bits << " at " << at;
          float maximum = -std::numeric_limits<float>::infinity(), sum = 0;
          std::vector<float> scores = x, p(kN + 64);
          scores.resize(kN + 64);
          SoftmaxRow(scores.data(), kN, kN, DType::kF32, &maximum, &sum, p.data());
          EXPECT_TRUE(std::isnan(sum)) << std::hex << bits << " at " << at;
        }
      }
    }
  });
}

TEST(Kernels, AllFiniteSeesEveryPlace) {
  OnEveryTarget([] {
    for (const int64_t n : {1, 15, 16, 33, 70}) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        auto x = Random(n, 1e30f, 22);
        std::vector<std::byte> stored(static_cast<size_t>(n * SizeOf(dtype)));
        const auto finite = [&] {
          ConvertTo(x.data(), n, dtype, stored.data());
          return AllFinite(stored.data(), n, dtype);
        };
        EXPECT_TRUE(finite());
        for (int64_t at = 0; at < n; ++at) {
          const float before = x[at];
          for (const float bad : {std::numeric_limits<float>::infinity(),
                                  -std::numeric_limits<float>::infinity(), std::nanf("7")}) {
            x[at] = bad;
            EXPECT_FALSE(finite()) << at << " of " << n;
          }
          x[at] = before;
        }
      }
    }
    EXPECT_FALSE(KernelTarget().empty());
  });
}

}  // namespace
}  // namespace kvlink::tensor

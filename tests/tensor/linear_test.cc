// Linear layers: what Run writes, RunAdding adds, for pieces and for rows, in both formats.
#include "tensor/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/thread_team.h"

namespace kvlink::tensor {
namespace {

TEST(Linear, MultipliesAndAdds) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (const DType dtype : {MatmulDType(DType::kBF16), DType::kF32}) {
    for (const auto& [k, n] : {std::pair{48, 960}, {576, 48}, {64, 7}, {30, 33}}) {
      std::vector<float> w(k * n);
      for (float& value : w) value = FromBf16(ToBf16(normal(random)));
      Result<Linear> linear =
          Linear::Create(k, n, dtype, [&, k = k](int64_t begin, int64_t end, float* o) {
            std::copy(w.begin() + begin * k, w.begin() + end * k, o);
          });
      ASSERT_TRUE(linear.ok()) << linear.status().message();
      for (const int64_t rows : {1, 3, 4, 5, 16, 17, 70}) {
        const int64_t padded = Linear::PaddedRows(rows, dtype);
        std::vector<float> x(padded * k), y(padded * n, 5.0f), sum(padded * n);
        for (float& value : x) value = FromBf16(ToBf16(normal(random)));
        for (float& value : sum) value = normal(random);
        const std::vector<float> before = sum;
        std::vector<std::byte> input(padded * k * SizeOf(dtype));
        ConvertTo(x.data(), padded * k, dtype, input.data());
        ASSERT_TRUE(linear->Run(input.data(), rows, y.data()).ok());
        ASSERT_TRUE(linear->RunAdding(input.data(), rows, sum.data()).ok());
        std::vector<float> of_rows(rows * n), row_sum = before;
        ASSERT_TRUE(linear->RunRows(input.data(), rows, of_rows.data()).ok());
        ASSERT_TRUE(linear->RunRowsAdding(input.data(), rows, row_sum.data()).ok());
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t j = 0; j < n; ++j) {
            double expected = 0;
            for (int64_t i = 0; i < k; ++i) {
              expected += static_cast<double>(x[r * k + i]) * w[j * k + i];
            }
            const double near = 1e-5 * k + 1e-4;
            ASSERT_NEAR(y[r * n + j], expected, near) << rows << " rows of " << k << "x" << n;
            ASSERT_NEAR(of_rows[r * n + j], expected, near) << rows << " rows of " << k << "x" << n;
            ASSERT_EQ(row_sum[r * n + j], before[r * n + j] + of_rows[r * n + j]);
            ASSERT_NEAR(sum[r * n + j], before[r * n + j] + expected, near)
                << rows << " rows of " << k << "x" << n;
          }
        }
      }
    }
  }
}

// How many threads share a product must not decide how its sums are added up; least so where there
// are few rows and columns and K is what could be shared out.
TEST(Linear, GivesTheSameBytesByAnyNumberOfThreads) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (const DType dtype : {MatmulDType(DType::kBF16), DType::kF32}) {
    for (const auto& [k, n] : {std::pair{4096, 48}, {1536, 576}, {576, 1600}, {96, 320}}) {
      std::vector<float> w(static_cast<size_t>(k * n));
      for (float& value : w) value = normal(random);
      Result<Linear> linear =
          Linear::Create(k, n, dtype, [&, k = k](int64_t begin, int64_t end, float* o) {
            std::copy(w.begin() + begin * k, w.begin() + end * k, o);
          });
      ASSERT_TRUE(linear.ok()) << linear.status().message();
      for (const int64_t rows : {1, 3, 16, 48, 257}) {
        const int64_t padded = Linear::PaddedRows(rows, dtype);
        std::vector<float> x(static_cast<size_t>(padded * k));
        for (float& value : x) value = normal(random);
        std::vector<std::byte> input(x.size() * SizeOf(dtype));
        ConvertTo(x.data(), padded * k, dtype, input.data());
        std::vector<float> first, first_rows;
        for (const int threads : {1, 2, 3, 8, 32}) {
          const TeamScope team(threads);
          ASSERT_EQ(team.threads(), threads);
          std::vector<float> y(static_cast<size_t>(padded * n), -1.0f);
          ASSERT_TRUE(linear->Run(input.data(), rows, y.data()).ok());
          y.resize(static_cast<size_t>(rows * n));
          if (first.empty()) first = y;
          std::vector<float> of_rows(static_cast<size_t>(rows * n));
          ASSERT_TRUE(linear->RunRows(input.data(), rows, of_rows.data()).ok());
          if (first_rows.empty()) first_rows = of_rows;
          EXPECT_EQ(of_rows, first_rows);
          EXPECT_EQ(std::memcmp(first.data(), y.data(), y.size() * 4), 0)
              << rows << " rows of " << k << "x" << n << " " << Name(dtype) << ", " << threads
              << " threads";
        }
      }
    }
  }
}

}  // namespace
}  // namespace kvlink::tensor

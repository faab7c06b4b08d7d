// A few rows times a matrix in blocks of pairs against plain sums, on every instruction set that
// this CPU has, with sizes whose last block and last share are not full.
#include "tensor/few_rows.h"

#include <gtest/gtest.h>

#include <hwy/targets.h>
#include <random>
#include <vector>

namespace kvlink {
namespace {

TEST(FewRows, EqualPlainSums) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 1);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    for (const int64_t columns : {16, 48, 64}) {
      for (const auto& [k, n] : std::vector<std::pair<int64_t, int64_t>>{{3, 5}, {64, 200}}) {
        const int64_t pairs = (k + 31) / 32 * 16, blocks = (n + columns - 1) / columns;
        std::vector<float> w(k * n);
        std::vector<bf16_t> packed(blocks * pairs * columns * 2);
        for (int64_t i = 0; i < k; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            const bf16_t low = ToBf16(normal(random));
            w[i * n + j] = FromBf16(low);
            packed[((j / columns * pairs + i / 2) * columns + j % columns) * 2 + i % 2] = low;
          }
        }
        for (int64_t rows = 1; rows <= kMostFewRows; ++rows) {
          std::vector<float> x(rows * 2 * pairs), y(rows * n, 9.0f);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t i = 0; i < k; ++i) x[r * 2 * pairs + i] = normal(random);
          }
          const int64_t half = n / 32 * 16;
          MultiplyFewRows(x.data(), rows, packed.data(), {pairs, columns}, half, n, false, y.data(),
                          n);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t j = 0; j < half; ++j) EXPECT_EQ(y[r * n + j], 9.0f);
          }
          MultiplyFewRows(x.data(), rows, packed.data(), {pairs, columns}, 0, half, false, y.data(),
                          n);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t j = 0; j < n; ++j) {
              double expected = 0;
              for (int64_t i = 0; i < k; ++i) {
                expected += static_cast<double>(x[r * 2 * pairs + i]) * w[i * n + j];
              }
              ASSERT_NEAR(y[r * n + j], expected, 1e-4) << k << "x" << n << " row " << r;
            }
          }
          const std::vector<float> once = y;
          MultiplyFewRows(x.data(), rows, packed.data(), {pairs, columns}, 0, n, true, y.data(), n);
          for (int64_t i = 0; i < rows * n; ++i) ASSERT_NEAR(y[i], 2 * once[i], 1e-4);
        }
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace
}  // namespace kvlink

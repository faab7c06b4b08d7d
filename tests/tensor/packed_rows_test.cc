// Rows times a packed matrix against plain sums, in each layout and on every instruction set that
// this CPU has, with sizes whose last block and last share are not full; and each row has the bits
// that it has alone.
#include "tensor/packed_rows.h"

#include <gtest/gtest.h>

#include <hwy/targets.h>
#include <random>
#include <vector>

#include "base/bytes.h"

namespace kvlink::tensor {
namespace {

struct Layout {
  DType dtype;
  bool paired;
};

// W [k, n] as the layout has it.
struct Matrix {
  std::vector<float> w;
  PackedLayout layout;
  std::vector<float> f32;
  std::vector<bf16_t> bf16;
  const void* data() const {
    return layout.dtype == DType::kF32 ? static_cast<const void*>(f32.data()) : bf16.data();
  }
};

Matrix Pack(int64_t k, int64_t n, int64_t columns, Layout how, std::mt19937* random) {
  std::normal_distribution<float> normal(0, 1);
  Matrix m;
  m.layout = {how.paired ? RoundUp(k, 32) : k, columns, how.dtype, how.paired};
  const int64_t size = RoundUp(n, columns) * m.layout.k;
  m.w.resize(k * n);
  m.f32.resize(size);
  m.bf16.resize(size);
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const bf16_t low = ToBf16(normal(*random));
      m.w[i * n + j] = FromBf16(low);
      const int64_t block = j / columns * m.layout.k * columns, column = j % columns;
      const int64_t at = how.paired ? block + (i / 2 * columns + column) * 2 + i % 2
                                    : block + i * columns + column;
      m.f32[at] = m.w[i * n + j];
      m.bf16[at] = low;
    }
  }
  return m;
}

std::vector<float> Multiply(const Matrix& m, const std::vector<float>& x, int64_t rows, int64_t k,
                            int64_t n) {
  PackedRows packed;
  packed.Resize(rows, k, m.layout.k);
  for (int64_t i = 0; i < packed.stretches(); ++i) packed.Set(i, x.data(), DType::kF32);
  std::vector<float> y(rows * n, 9.0f);
  const int64_t half = n / 32 * 16;
  MultiplyPackedRows(packed, m.data(), m.layout, half, n, false, y.data(), n);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < half; ++j) EXPECT_EQ(y[r * n + j], 9.0f);
  }
  MultiplyPackedRows(packed, m.data(), m.layout, 0, half, false, y.data(), n);
  std::vector<float> twice = y;
  MultiplyPackedRows(packed, m.data(), m.layout, 0, n, true, twice.data(), n);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(twice[i], y[i] + y[i]);
  return y;
}

TEST(PackedRows, EqualPlainSumsAndEachRowItselfAlone) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 1);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    for (const Layout how :
         {Layout{DType::kF32, false}, {DType::kBF16, false}, {DType::kBF16, true}}) {
      for (const int64_t columns : {16, 48, 64, 208}) {
        for (const auto& [k, n] : std::vector<std::pair<int64_t, int64_t>>{{3, 5}, {150, 200}}) {
          SCOPED_TRACE(std::string(hwy::TargetName(target)) + " " + std::string(Name(how.dtype)) +
                       (how.paired ? " paired " : " ") + std::to_string(columns));
          const Matrix m = Pack(k, n, columns, how, &random);
          std::vector<float> x(17 * k);
          for (float& value : x) value = normal(random);
          std::vector<float> alone;
          for (int64_t r = 0; r < 17; ++r) {
            const std::vector<float> row(x.begin() + r * k, x.begin() + (r + 1) * k);
            const std::vector<float> y = Multiply(m, row, 1, k, n);
            alone.insert(alone.end(), y.begin(), y.end());
            for (int64_t j = 0; j < n; ++j) {
              double expected = 0;
              for (int64_t i = 0; i < k; ++i) expected += double{row[i]} * m.w[i * n + j];
              ASSERT_NEAR(y[j], expected, 1e-4) << k << "x" << n << " row " << r;
            }
          }
          for (int64_t rows = 2; rows <= 17; ++rows) {
            const std::vector<float> y = Multiply(m, x, rows, k, n);
            for (int64_t i = 0; i < rows * n; ++i) {
              ASSERT_EQ(y[i], alone[i]) << rows << " rows, row " << i / n << " column " << i % n;
            }
          }
        }
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace
}  // namespace kvlink::tensor

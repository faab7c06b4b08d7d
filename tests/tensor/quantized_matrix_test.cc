// Rows times a matrix in its file's codes, against sums over what Dequantize makes of it: of
// every quantised type, on every instruction set that this CPU has, with sizes whose last tile and
// last share are not full.
#include "tensor/quantized_matrix.h"

#include <gtest/gtest.h>

#include <hwy/targets.h>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/linear.h"

namespace kvlink::tensor {
namespace {

constexpr GgmlType kQuantised[] = {
    GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0, GgmlType::kQ5_1, GgmlType::kQ8_0,
    GgmlType::kQ2_K, GgmlType::kQ3_K, GgmlType::kQ4_K, GgmlType::kQ5_K, GgmlType::kQ6_K};

const GgmlTypeTraits& Traits(GgmlType type) { return *TraitsOf(static_cast<uint32_t>(type)); }

// Where a block has halves (float16).
std::vector<int> HalvesOf(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_1:
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K:
      return {0, 2};
    case GgmlType::kQ2_K:
      return {80, 82};
    case GgmlType::kQ3_K:
      return {108};
    case GgmlType::kQ6_K:
      return {208};
    default:
      return {0};
  }
}

// Any codes and scales; the halves are of some size around 1, of both signs.
std::vector<std::byte> RandomBlocks(GgmlType type, int64_t elements, std::mt19937& random) {
  const GgmlTypeTraits& traits = Traits(type);
  std::vector<std::byte> bytes(elements / traits.block_elements * traits.block_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (size_t block = 0; block < bytes.size(); block += traits.block_bytes) {
    for (const int at : HalvesOf(type)) {
      const auto half = static_cast<uint16_t>(0x3800 + random() % 0x0400 + random() % 2 * 0x8000);
      std::memcpy(bytes.data() + block + at, &half, 2);
    }
  }
  return bytes;
}

TEST(QuantizedMatrix, ARowIsWhatDequantizeMakesOfIt) {
  std::mt19937 random(6);
  for (const GgmlType type : kQuantised) {
    const int64_t k = 2 * std::max<int64_t>(Traits(type).block_elements, 96), n = 37;
    const std::vector<std::byte> source = RandomBlocks(type, n * k, random);
    std::vector<float> expected(n * k), row(k);
    Dequantize(type, source.data(), n * k, expected.data());
    WeightMemory memory;
    const auto matrix = QuantizedMatrix::Create(type, source.data(), n, k, &memory);
    ASSERT_TRUE(matrix.ok());
    for (int64_t r = 0; r < n; ++r) {
      matrix->ReadRow(r, row.data());
      for (int64_t i = 0; i < k; ++i) {
        ASSERT_EQ(row[i], expected[r * k + i]) << Traits(type).name << " " << r << ", " << i;
      }
    }
  }
}

QuantizedRows Quantise(const std::vector<float>& x, int64_t rows, int64_t k) {
  QuantizedRows quantized;
  quantized.Resize(rows, k);
  for (int64_t i = 0; i < quantized.stretches(); ++i) quantized.Set(i, x.data(), DType::kF32);
  return quantized;
}

TEST(QuantizedMatrix, EqualsSumsOverDecodedNumbersAndEachRowItselfAlone) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const GgmlType type : kQuantised) {
    const int64_t k = 2 * std::max<int64_t>(Traits(type).block_elements, 96), n = 200;
    const std::vector<std::byte> source = RandomBlocks(type, n * k, random);
    std::vector<float> w(n * k);
    Dequantize(type, source.data(), n * k, w.data());
    ASSERT_TRUE(QuantizedMatrix::CanHold(type, k));
    WeightMemory memory;
    const auto matrix = QuantizedMatrix::Create(type, source.data(), n, k, &memory);
    ASSERT_TRUE(matrix.ok()) << matrix.status().message();
    constexpr int64_t kRows = 17;
    std::vector<float> x(kRows * k), alone(kRows * n);
    for (float& value : x) value = normal(random);
    std::fill_n(x.begin(), 32, 0.0f);  // a group without a largest number
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      SCOPED_TRACE(std::string(Traits(type).name) + " " + hwy::TargetName(target));
      hwy::SetSupportedTargetsForTest(target);
      for (int64_t r = 0; r < kRows; ++r) {
        const std::vector<float> row(x.begin() + r * k, x.begin() + (r + 1) * k);
        float* y = alone.data() + r * n;
        std::fill_n(y, n, 9.0f);
        const QuantizedRows quantized = Quantise(row, 1, k);
        matrix->Multiply(quantized, 96, n, false, y, n);
        for (int64_t j = 0; j < 96; ++j) EXPECT_EQ(y[j], 9.0f);
        matrix->Multiply(quantized, 0, 96, false, y, n);
        for (int64_t j = 0; j < n; ++j) {
          double expected = 0, size = 0;
          for (int64_t i = 0; i < k; ++i) {
            const double product = static_cast<double>(row[i]) * w[j * k + i];
            expected += product;
            size += std::abs(product);
          }
          ASSERT_NEAR(y[j], expected, 1e-4 * size) << "row " << r << " column " << j;
        }
      }
      for (int64_t rows = 2; rows <= kRows; ++rows) {
        std::vector<float> y(rows * n);
        const QuantizedRows quantized = Quantise(x, rows, k);
        matrix->Multiply(quantized, 0, n, false, y.data(), n);
        for (int64_t i = 0; i < rows * n; ++i) ASSERT_EQ(y[i], alone[i]) << rows << " rows";
        matrix->Multiply(quantized, 0, n, true, y.data(), n);
        for (int64_t i = 0; i < rows * n; ++i) ASSERT_EQ(y[i], alone[i] + alone[i]);
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(QuantizedRows, WhatIsNotANumberStaysNone) {
  std::mt19937 random(5);
  const int64_t k = 64, n = 16;
  const std::vector<std::byte> source = RandomBlocks(GgmlType::kQ8_0, n * k, random);
  WeightMemory memory;
  const auto matrix = QuantizedMatrix::Create(GgmlType::kQ8_0, source.data(), n, k, &memory);
  ASSERT_TRUE(matrix.ok());
  for (const float strange :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(k, 1.0f), y(n);
    x[40] = strange;
    matrix->Multiply(Quantise(x, 1, k), 0, n, false, y.data(), n);
    for (const float value : y) EXPECT_FALSE(std::isfinite(value));
  }
}

TEST(QuantizedMatrix, HoldsWholeTilesOfQuantisedTypes) {
  EXPECT_TRUE(QuantizedMatrix::CanHold(GgmlType::kQ8_0, 64));
  EXPECT_FALSE(QuantizedMatrix::CanHold(GgmlType::kF16, 64));
  EXPECT_FALSE(QuantizedMatrix::CanHold(GgmlType::kBF16, 64));
}

// Parts of several types below each other, as Q, K and V are.
TEST(QuantizedMatrix, AreWhatALinearMultipliesRowsBy) {
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  const int64_t k = 512, n = 2 * 40;
  const std::vector<std::byte> upper = RandomBlocks(GgmlType::kQ4_K, 40 * k, random);
  const std::vector<std::byte> lower = RandomBlocks(GgmlType::kQ6_K, 40 * k, random);
  std::vector<float> w(n * k);
  Dequantize(GgmlType::kQ4_K, upper.data(), 40 * k, w.data());
  Dequantize(GgmlType::kQ6_K, lower.data(), 40 * k, w.data() + 40 * k);
  for (const DType dtype : {MatmulDType(DType::kBF16), DType::kF32}) {
    // What is packed for pieces is something else here, so that each says who multiplied.
    Result<Linear> linear = Linear::Create(k, n, dtype, [&](int64_t begin, int64_t end, float* o) {
      std::fill(o, o + (end - begin) * k, 0.0f);
    });
    ASSERT_TRUE(linear.ok()) << linear.status().message();
    const int64_t before = linear->bytes();
    WeightMemory memory;
    std::vector<QuantizedMatrix> parts;
    for (const auto& [type, source] :
         {std::pair{GgmlType::kQ4_K, &upper}, {GgmlType::kQ6_K, &lower}}) {
      const auto part = QuantizedMatrix::Create(type, source->data(), 40, k, &memory);
      ASSERT_TRUE(part.ok());
      parts.push_back(*part);
    }
    linear->MultiplyRowsBy(parts);
    EXPECT_EQ(linear->bytes(), before + parts[0].bytes() + parts[1].bytes());
    // One that has nothing else.
    Result<Linear> codes = Linear::OfCodes(k, dtype, parts);
    ASSERT_TRUE(codes.ok()) << codes.status().message();
    EXPECT_EQ(codes->n(), n);
    EXPECT_EQ(codes->bytes(), parts[0].bytes() + parts[1].bytes());
    for (const int64_t rows : {1, 4, 9}) {
      const int64_t padded = Linear::PaddedRows(rows, dtype);
      std::vector<float> x(padded * k), y(padded * n, 5.0f), of_codes(rows * n), piece(padded * n);
      for (float& value : x) value = FromBf16(ToBf16(normal(random)));
      std::vector<std::byte> input(padded * k * SizeOf(dtype));
      ConvertTo(x.data(), padded * k, dtype, input.data());
      ASSERT_TRUE(linear->RunRows(input.data(), rows, y.data()).ok());
      ASSERT_TRUE(codes->RunRows(input.data(), rows, of_codes.data()).ok());
      ASSERT_TRUE(linear->Run(input.data(), rows, piece.data()).ok());
      for (int64_t i = 0; i < rows * n; ++i) ASSERT_EQ(of_codes[i], y[i]);
      for (int64_t i = 0; i < rows * n; ++i) ASSERT_EQ(piece[i], 0.0f);
      for (int64_t i = rows * n; i < padded * n; ++i) ASSERT_EQ(y[i], 5.0f);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t j = 0; j < n; ++j) {
          double expected = 0, size = 0;
          for (int64_t i = 0; i < k; ++i) {
            const double product = static_cast<double>(x[r * k + i]) * w[j * k + i];
            expected += product;
            size += std::abs(product);
          }
          ASSERT_NEAR(y[r * n + j], expected, 1e-4 * size) << rows << " rows, " << r << " " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace kvlink::tensor

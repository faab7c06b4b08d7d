// Decoding of GGML's types: against an independent implementation's numbers, and by structure:
// which bit of a block moves which element.
#include "tensor/quant.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tensor/quant_golden.h"

namespace kvlink::tensor {
namespace {

std::vector<uint8_t> FromHex(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

const GgmlTypeTraits& Traits(GgmlType type) { return *TraitsOf(static_cast<uint32_t>(type)); }

std::string TypeName(const ::testing::TestParamInfo<QuantGolden>& info) {
  return std::string(Traits(info.param.type).name);
}

class QuantGoldenTest : public ::testing::TestWithParam<QuantGolden> {};

// Both sides multiply and add the same floats in the same order, so equality is exact.
TEST_P(QuantGoldenTest, DecodesAsTheIndependentImplementation) {
  const GgmlTypeTraits& traits = Traits(GetParam().type);
  const std::vector<uint8_t> blocks = FromHex(GetParam().blocks);
  const std::vector<uint8_t> numbers = FromHex(GetParam().numbers);
  std::vector<float> expected(numbers.size() / sizeof(float));
  std::memcpy(expected.data(), numbers.data(), numbers.size());
  ASSERT_EQ(blocks.size() / traits.block_bytes * traits.block_elements, expected.size());
  ASSERT_GT(expected.size(), 0u);

  // From an odd address: blocks in a file have no alignment of their own.
  std::vector<uint8_t> shifted(blocks.size() + 1);
  std::copy(blocks.begin(), blocks.end(), shifted.begin() + 1);
  std::vector<float> found(expected.size(), std::numeric_limits<float>::quiet_NaN());
  Dequantize(GetParam().type, shifted.data() + 1, static_cast<int64_t>(found.size()), found.data());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(found[i] + 0.0f), std::bit_cast<uint32_t>(expected[i] + 0.0f))
        << "element " << i << ": " << found[i] << " for " << expected[i];
  }
}
INSTANTIATE_TEST_SUITE_P(Types, QuantGoldenTest, ::testing::ValuesIn(kQuantGolden), TypeName);

// Where a block keeps its quants and its groups' scales, and how many bits each has.
struct Layout {
  GgmlType type;
  int quants_begin, quants_end, bits_per_element;
  int scales_begin, scales_end, group_elements, bits_per_group;  // 0: only the block's own
  std::vector<int> halves;                                       // float16 fields
};

const std::vector<Layout>& Layouts() {
  static const auto* const kLayouts = new std::vector<Layout>{
      {GgmlType::kQ4_0, 2, 18, 4, 0, 0, 0, 0, {0}},
      {GgmlType::kQ4_1, 4, 20, 4, 0, 0, 0, 0, {0, 2}},
      {GgmlType::kQ5_0, 2, 22, 5, 0, 0, 0, 0, {0}},
      {GgmlType::kQ5_1, 4, 24, 5, 0, 0, 0, 0, {0, 2}},
      {GgmlType::kQ8_0, 2, 34, 8, 0, 0, 0, 0, {0}},
      {GgmlType::kQ2_K, 16, 80, 2, 0, 16, 16, 8, {80, 82}},
      {GgmlType::kQ3_K, 0, 96, 3, 96, 108, 16, 6, {108}},
      {GgmlType::kQ4_K, 16, 144, 4, 4, 16, 32, 12, {0, 2}},
      {GgmlType::kQ5_K, 16, 176, 5, 4, 16, 32, 12, {0, 2}},
      {GgmlType::kQ6_K, 0, 192, 6, 192, 208, 16, 8, {208}},
  };
  return *kLayouts;
}

class QuantStructureTest : public ::testing::TestWithParam<Layout> {
 protected:
  // Every quant and scale is 0101..., which is neither zero nor a quant's centre; d = dmin = 1.
  QuantStructureTest() : block_(Traits(GetParam().type).block_bytes, 0x55) {
    for (const int at : GetParam().halves) {
      block_[at] = 0x00;
      block_[at + 1] = 0x3c;
    }
  }
  std::vector<float> Decode(const std::vector<uint8_t>& blocks) const {
    const GgmlTypeTraits& traits = Traits(GetParam().type);
    std::vector<float> out(blocks.size() / traits.block_bytes * traits.block_elements);
    Dequantize(GetParam().type, blocks.data(), static_cast<int64_t>(out.size()), out.data());
    return out;
  }
  // The elements that flipping one bit changes.
  std::vector<int> Moved(int byte, int bit) const {
    const std::vector<float> before = Decode(block_);
    std::vector<uint8_t> changed = block_;
    changed[byte] ^= static_cast<uint8_t>(1 << bit);
    const std::vector<float> after = Decode(changed);
    std::vector<int> moved;
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i] != after[i]) moved.push_back(static_cast<int>(i));
    }
    return moved;
  }
  std::vector<uint8_t> block_;
};

TEST_P(QuantStructureTest, EachQuantBitBelongsToOneElement) {
  const Layout& layout = GetParam();
  std::vector<int> bits(Traits(layout.type).block_elements);
  for (int byte = layout.quants_begin; byte < layout.quants_end; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      const std::vector<int> moved = Moved(byte, bit);
      ASSERT_EQ(moved.size(), 1u) << "byte " << byte << " bit " << bit;
      ++bits[moved[0]];
    }
  }
  for (const int count : bits) ASSERT_EQ(count, layout.bits_per_element);
}

TEST_P(QuantStructureTest, EachScaleBitBelongsToOneGroup) {
  const Layout& layout = GetParam();
  if (layout.group_elements == 0) {  // the block is the group
    for (const int at : layout.halves) {
      EXPECT_EQ(Moved(at, 0).size(), static_cast<size_t>(Traits(layout.type).block_elements));
    }
    return;
  }
  std::vector<int> bits(Traits(layout.type).block_elements / layout.group_elements);
  for (int byte = layout.scales_begin; byte < layout.scales_end; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      const std::vector<int> moved = Moved(byte, bit);
      ASSERT_EQ(moved.size(), static_cast<size_t>(layout.group_elements));
      ASSERT_EQ(moved.front() % layout.group_elements, 0);
      ASSERT_EQ(moved.back() - moved.front(), layout.group_elements - 1);
      ++bits[moved.front() / layout.group_elements];
    }
  }
  for (const int count : bits) EXPECT_EQ(count, layout.bits_per_group);
}

TEST_P(QuantStructureTest, BlocksStandOneAfterTheOther) {
  std::vector<uint8_t> other = block_;
  for (int byte = GetParam().quants_begin; byte < GetParam().quants_end; ++byte)
    other[byte] ^= 0x3f;
  std::vector<uint8_t> both = block_;
  both.insert(both.end(), other.begin(), other.end());
  std::vector<float> expected = Decode(block_);
  const std::vector<float> second = Decode(other);
  ASSERT_NE(expected, second);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(Decode(both), expected);
}

INSTANTIATE_TEST_SUITE_P(Types, QuantStructureTest, ::testing::ValuesIn(Layouts()),
                         [](const auto& test) {
                           return std::string(Traits(test.param.type).name);
                         });

TEST(Quant, HalfPrecisionHasItsCorners) {
  const std::pair<uint16_t, float> cases[] = {{0x0000, 0.0f},
                                              {0x8000, -0.0f},
                                              {0x3c00, 1.0f},
                                              {0xc000, -2.0f},
                                              {0x7bff, 65504.0f},
                                              {0x0001, 0x1p-24f},
                                              {0x83ff, -0x3ffp-24f},
                                              {0x0400, 0x1p-14f},
                                              {0x7c00, std::numeric_limits<float>::infinity()},
                                              {0xfc00, -std::numeric_limits<float>::infinity()}};
  for (const auto& [bits, value] : cases) {
    float found = 1;
    Dequantize(GgmlType::kF16, &bits, 1, &found);
    EXPECT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(value)) << std::hex << bits;
  }
  const uint16_t nan = 0x7e00;
  float found = 0;
  Dequantize(GgmlType::kF16, &nan, 1, &found);
  EXPECT_TRUE(std::isnan(found));
}

TEST(Quant, FloatsAreCopied) {
  const float source[] = {1.5f, -0.0f, std::numeric_limits<float>::infinity()};
  float found[3] = {};
  Dequantize(GgmlType::kF32, source, 3, found);
  for (int i = 0; i < 3; ++i) {  // bit by bit: -0 is not 0
    EXPECT_EQ(std::bit_cast<uint32_t>(source[i]), std::bit_cast<uint32_t>(found[i]));
  }
  Dequantize(GgmlType::kF32, nullptr, 0, nullptr);
}

TEST(Quant, UnknownTypesHaveNoTraits) {
  for (const uint32_t type : {4u, 5u, 9u, 15u, 20u, 29u, 31u, 0xffffffffu}) {
    EXPECT_EQ(TraitsOf(type), nullptr) << type;
  }
  for (const QuantGolden& golden : kQuantGolden) {
    ASSERT_NE(TraitsOf(static_cast<uint32_t>(golden.type)), nullptr);
  }
  EXPECT_EQ(Traits(GgmlType::kF32).block_bytes, 4);
  EXPECT_EQ(Traits(GgmlType::kQ4_1).name, "Q4_1");
}

}  // namespace
}  // namespace kvlink::tensor

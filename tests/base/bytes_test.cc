// The reader that cannot run past its end, and the rounding of bf16.
#include "base/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

#include "base/dtype.h"

namespace kvlink {
namespace {

TEST(ByteReader, ReadsLittleEndian) {
  const std::string text("\x01\x02\x03\x04\x05\x06\x07", 7);
  ByteReader reader(AsBytes(text));
  uint32_t u32 = 0;
  uint16_t u16 = 0;
  ASSERT_TRUE(reader.Read(&u32));
  ASSERT_TRUE(reader.Read(&u16));
  EXPECT_EQ(u32, 0x04030201u);
  EXPECT_EQ(u16, 0x0605u);
  EXPECT_EQ(reader.offset(), 6u);
  EXPECT_EQ(reader.remaining(), 1u);
}

TEST(ByteReader, AFailedReadMovesNothingAndStaysFailed) {
  const std::string text = "abc";
  ByteReader reader(AsBytes(text));
  uint32_t u32 = 7;
  uint8_t u8 = 7;
  EXPECT_FALSE(reader.Read(&u32));
  EXPECT_EQ(u32, 7u);
  EXPECT_EQ(reader.offset(), 0u);
  EXPECT_FALSE(reader.Read(&u8));  // would fit, but what is read now would be out of step
}

TEST(ByteReader, SpanSizesNearTwoTo64DoNotWrap) {
  const std::string text = "abcdef";
  for (const uint64_t size : {uint64_t{7}, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 2}) {
    ByteReader reader(AsBytes(text));
    std::span<const std::byte> out;
    uint16_t skipped = 0;
    ASSERT_TRUE(reader.Read(&skipped));
    EXPECT_FALSE(reader.ReadSpan(size, &out));
    EXPECT_TRUE(out.empty());
  }
  ByteReader reader(AsBytes(text));
  std::span<const std::byte> out;
  ASSERT_TRUE(reader.ReadSpan(6, &out));
  EXPECT_EQ(AsText(out), text);
  EXPECT_TRUE(reader.ReadSpan(0, &out));
}

RC_GTEST_PROP(ByteReader, ReadsBackWhatWasAppended, (const std::vector<uint64_t>& numbers)) {
  std::string text;
  for (const uint64_t number : numbers) AppendValue(&text, number);
  ByteReader reader(AsBytes(text));
  for (const uint64_t number : numbers) {
    uint64_t found = 0;
    RC_ASSERT(reader.Read(&found));
    RC_ASSERT(found == number);
  }
  RC_ASSERT(reader.remaining() == 0u);
}

TEST(RoundUp, GoesToTheNextMultiple) {
  EXPECT_EQ(RoundUp(0, 64), 0);
  EXPECT_EQ(RoundUp(1, 64), 64);
  EXPECT_EQ(RoundUp(64, 64), 64);
  EXPECT_EQ(RoundUp(65, 64), 128);
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(ToBf16(1.0f), 0x3f80);
  EXPECT_EQ(ToBf16(-2.0f), 0xc000);
  // 1 + 2^-8 lies halfway between 1 and 1 + 2^-7: to even, down; the next half, up.
  EXPECT_EQ(ToBf16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(ToBf16(1.0f + 3 * 0x1p-8f), 0x3f82);
  EXPECT_EQ(ToBf16(std::numeric_limits<float>::max()), 0x7f80);  // beyond the largest: infinity
  EXPECT_EQ(ToBf16(-std::numeric_limits<float>::infinity()), 0xff80);
  EXPECT_TRUE(std::isnan(FromBf16(ToBf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Bf16, EveryValueRoundTrips) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = FromBf16(static_cast<bf16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(FromBf16(ToBf16(value))));
    } else {
      ASSERT_EQ(ToBf16(value), bits);
    }
  }
}

}  // namespace
}  // namespace kvlink

// Decodes GGML's block formats to float (docs/gguf-types.md has the layouts). Not here: encoding,
// and arithmetic on packed values.
#include "tensor/quant.h"

#include <array>
#include <cstring>

#include "base/check.h"
#include "base/dtype.h"

namespace kvlink {
namespace {

constexpr int64_t kSmallBlock = 32;   // elements of a Q4_0 .. Q8_0 block
constexpr int64_t kSuperBlock = 256;  // elements of a K-quant block

template <class T>
T Load(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

float FromF16(uint16_t h) {
  const uint32_t sign = (h & 0x8000u) << 16;
  const uint32_t exponent = (h >> 10) & 0x1f;
  const uint32_t mantissa = h & 0x3ffu;
  float magnitude;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24 is exact in float
    magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  } else {
    const uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
    const uint32_t bits = (wide << 23) | (mantissa << 13);
    std::memcpy(&magnitude, &bits, 4);
  }
  uint32_t bits;
  std::memcpy(&bits, &magnitude, 4);
  bits |= sign;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

float LoadF16(const uint8_t* bytes) { return FromF16(Load<uint16_t>(bytes)); }

// ---- Blocks of 32: element j is in the low half of byte j, element 16 + j in its high half.

void DecodeQ4_0(const uint8_t* block, float* out) {
  const float d = LoadF16(block);
  const uint8_t* q = block + 2;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>((q[j] & 15) - 8) * d;
    out[j + 16] = static_cast<float>((q[j] >> 4) - 8) * d;
  }
}

void DecodeQ4_1(const uint8_t* block, float* out) {
  const float d = LoadF16(block);
  const float m = LoadF16(block + 2);
  const uint8_t* q = block + 4;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(q[j] & 15) * d + m;
    out[j + 16] = static_cast<float>(q[j] >> 4) * d + m;
  }
}

// The fifth bit of element i is bit i of a 32-bit word.
int FifthBit(uint32_t high, int i) { return static_cast<int>((high >> i) & 1) << 4; }

void DecodeQ5_0(const uint8_t* block, float* out) {
  const float d = LoadF16(block);
  const uint32_t high = Load<uint32_t>(block + 2);
  const uint8_t* q = block + 6;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(((q[j] & 15) | FifthBit(high, j)) - 16) * d;
    out[j + 16] = static_cast<float>(((q[j] >> 4) | FifthBit(high, j + 16)) - 16) * d;
  }
}

void DecodeQ5_1(const uint8_t* block, float* out) {
  const float d = LoadF16(block);
  const float m = LoadF16(block + 2);
  const uint32_t high = Load<uint32_t>(block + 4);
  const uint8_t* q = block + 8;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>((q[j] & 15) | FifthBit(high, j)) * d + m;
    out[j + 16] = static_cast<float>((q[j] >> 4) | FifthBit(high, j + 16)) * d + m;
  }
}

void DecodeQ8_0(const uint8_t* block, float* out) {
  const float d = LoadF16(block);
  for (int j = 0; j < 32; ++j) out[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * d;
}

// ---- Super-blocks of 256. In each, "group" counts the runs of elements that share one scale.

// Sixteen groups of 16. Byte g of `scales`: scale in the low half, minimum in the high half. Of
// each half of 128 elements, element 32 * s + l is bits 2s, 2s+1 of byte l of that half's 32.
void DecodeQ2_K(const uint8_t* block, float* out) {
  const uint8_t* scales = block;
  const uint8_t* q = block + 16;
  const float d = LoadF16(block + 80);
  const float dmin = LoadF16(block + 82);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(scales[group] & 15);
    const float minimum = dmin * static_cast<float>(scales[group] >> 4);
    const int half = group / 8;
    const int shift = 2 * (group % 8 / 2);
    const uint8_t* bytes = q + 32 * half + 16 * (group % 2);
    for (int l = 0; l < 16; ++l) {
      out[16 * group + l] = scale * static_cast<float>((bytes[l] >> shift) & 3) - minimum;
    }
  }
}

// As Q2_K, with a third bit in `high` (bit b of byte l for element 32 * b + l; a clear bit takes 4
// away), no minimum, and 6-bit scales: low halves in bytes 0..7, high pairs in bytes 8..11.
void DecodeQ3_K(const uint8_t* block, float* out) {
  const uint8_t* high = block;
  const uint8_t* q = block + 32;
  const uint8_t* packed = block + 96;
  const float d = LoadF16(block + 108);
  for (int group = 0; group < 16; ++group) {
    const int low4 = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
    const int high2 = (packed[8 + group % 4] >> (2 * (group / 4))) & 3;
    const float scale = d * static_cast<float>((low4 | high2 << 4) - 32);
    const int half = group / 8;
    const int shift = 2 * (group % 8 / 2);
    const int start = 16 * (group % 2);
    for (int l = 0; l < 16; ++l) {
      const int low = (q[32 * half + start + l] >> shift) & 3;
      const int third = (high[start + l] >> (group / 2)) & 1;
      out[16 * group + l] = scale * static_cast<float>(low - (third ? 0 : 4));
    }
  }
}

// Q4_K and Q5_K: eight groups of 32, 6-bit scale and minimum of each in 12 bytes.
struct ScaleAndMinimum {
  int scale, minimum;
};
ScaleAndMinimum UnpackK4(const uint8_t* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  return {(packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4,
          (packed[group + 4] >> 4) | (packed[group] >> 6) << 4};
}

void DecodeQ4_K(const uint8_t* block, float* out) {
  const float d = LoadF16(block);
  const float dmin = LoadF16(block + 2);
  const uint8_t* q = block + 16;
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum k = UnpackK4(block + 4, group);
    const float scale = d * static_cast<float>(k.scale);
    const float minimum = dmin * static_cast<float>(k.minimum);
    const uint8_t* bytes = q + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int l = 0; l < 32; ++l) {
      out[32 * group + l] = scale * static_cast<float>((bytes[l] >> shift) & 15) - minimum;
    }
  }
}

void DecodeQ5_K(const uint8_t* block, float* out) {
  const float d = LoadF16(block);
  const float dmin = LoadF16(block + 2);
  const uint8_t* high = block + 16;
  const uint8_t* q = block + 48;
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum k = UnpackK4(block + 4, group);
    const float scale = d * static_cast<float>(k.scale);
    const float minimum = dmin * static_cast<float>(k.minimum);
    const uint8_t* bytes = q + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int l = 0; l < 32; ++l) {
      const int value = ((bytes[l] >> shift) & 15) | ((high[l] >> group) & 1) << 4;
      out[32 * group + l] = scale * static_cast<float>(value) - minimum;
    }
  }
}

// Sixteen groups of 16 with signed 8-bit scales. Of each half of 128 elements, element 32 * s + l
// has its low four bits in a half byte of the half's 64 `low` bytes (s = 0, 1: low halves; 2, 3:
// high halves) and its high two at bits 2s, 2s+1 of byte l of the half's 32 `high` bytes.
void DecodeQ6_K(const uint8_t* block, float* out) {
  const float d = LoadF16(block + 208);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(static_cast<int8_t>(block[192 + group]));
    const int half = group / 8;
    const int s = group % 8 / 2;
    const int start = 16 * (group % 2);
    const uint8_t* low = block + 64 * half + 32 * (s % 2) + start;
    const uint8_t* high = block + 128 + 32 * half + start;
    for (int l = 0; l < 16; ++l) {
      const int low4 = (low[l] >> (4 * (s / 2))) & 15;
      const int high2 = (high[l] >> (2 * s)) & 3;
      out[16 * group + l] = scale * static_cast<float>((low4 | high2 << 4) - 32);
    }
  }
}

template <int64_t kElements, int64_t kBytes>
void DecodeBlocks(void (*decode)(const uint8_t*, float*), const uint8_t* source, int64_t elements,
                  float* out) {
  for (int64_t i = 0; i < elements / kElements; ++i) {
    decode(source + i * kBytes, out + i * kElements);
  }
}

struct TypeRow {
  GgmlType type;
  GgmlTypeTraits traits;
};
constexpr std::array<TypeRow, 13> kTypes = {{
    {GgmlType::kF32, {"F32", 1, 4}},
    {GgmlType::kF16, {"F16", 1, 2}},
    {GgmlType::kQ4_0, {"Q4_0", kSmallBlock, 18}},
    {GgmlType::kQ4_1, {"Q4_1", kSmallBlock, 20}},
    {GgmlType::kQ5_0, {"Q5_0", kSmallBlock, 22}},
    {GgmlType::kQ5_1, {"Q5_1", kSmallBlock, 24}},
    {GgmlType::kQ8_0, {"Q8_0", kSmallBlock, 34}},
    {GgmlType::kQ2_K, {"Q2_K", kSuperBlock, 84}},
    {GgmlType::kQ3_K, {"Q3_K", kSuperBlock, 110}},
    {GgmlType::kQ4_K, {"Q4_K", kSuperBlock, 144}},
    {GgmlType::kQ5_K, {"Q5_K", kSuperBlock, 176}},
    {GgmlType::kQ6_K, {"Q6_K", kSuperBlock, 210}},
    {GgmlType::kBF16, {"BF16", 1, 2}},
}};

}  // namespace

const GgmlTypeTraits* TraitsOf(uint32_t ggml_type) {
  for (const TypeRow& row : kTypes) {
    if (static_cast<uint32_t>(row.type) == ggml_type) return &row.traits;
  }
  return nullptr;
}

void Dequantize(GgmlType type, const void* source, int64_t elements, float* out) {
  const auto* bytes = static_cast<const uint8_t*>(source);
  switch (type) {
    case GgmlType::kF32:
      if (elements > 0) std::memcpy(out, bytes, elements * sizeof(float));
      return;
    case GgmlType::kF16:
      for (int64_t i = 0; i < elements; ++i) out[i] = LoadF16(bytes + 2 * i);
      return;
    case GgmlType::kBF16:
      for (int64_t i = 0; i < elements; ++i) out[i] = FromBf16(Load<bf16_t>(bytes + 2 * i));
      return;
    case GgmlType::kQ4_0:
      return DecodeBlocks<kSmallBlock, 18>(DecodeQ4_0, bytes, elements, out);
    case GgmlType::kQ4_1:
      return DecodeBlocks<kSmallBlock, 20>(DecodeQ4_1, bytes, elements, out);
    case GgmlType::kQ5_0:
      return DecodeBlocks<kSmallBlock, 22>(DecodeQ5_0, bytes, elements, out);
    case GgmlType::kQ5_1:
      return DecodeBlocks<kSmallBlock, 24>(DecodeQ5_1, bytes, elements, out);
    case GgmlType::kQ8_0:
      return DecodeBlocks<kSmallBlock, 34>(DecodeQ8_0, bytes, elements, out);
    case GgmlType::kQ2_K:
      return DecodeBlocks<kSuperBlock, 84>(DecodeQ2_K, bytes, elements, out);
    case GgmlType::kQ3_K:
      return DecodeBlocks<kSuperBlock, 110>(DecodeQ3_K, bytes, elements, out);
    case GgmlType::kQ4_K:
      return DecodeBlocks<kSuperBlock, 144>(DecodeQ4_K, bytes, elements, out);
    case GgmlType::kQ5_K:
      return DecodeBlocks<kSuperBlock, 176>(DecodeQ5_K, bytes, elements, out);
    case GgmlType::kQ6_K:
      return DecodeBlocks<kSuperBlock, 210>(DecodeQ6_K, bytes, elements, out);
  }
  KVLINK_CHECK(false && "a type that TraitsOf does not know");
}

}  // namespace kvlink

// Decodes GGML's block formats (docs/gguf-types.md has the layouts): each to codes, scales and
// offsets, and from those to float. Not here: encoding, and arithmetic on codes
// (tensor/quantized_matrix.h).
#include "tensor/quant.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/dtype.h"

namespace kvlink::tensor {
namespace {

constexpr int64_t kSuperBlock = 256;  // elements of a K-quant block

float LoadF16(const uint8_t* bytes) { return FromF16(LoadUnaligned<uint16_t>(bytes)); }

// What one block says: an element is scale * code + offset, each of its group.
struct Unpacked {
  int8_t* code;
  float* scale;
  float* offset;  // zeros unless written
};

// ---- Blocks of 32: element j is in the low half of byte j, element 16 + j in its high half.

// The 32 codes of 16 bytes. By way of arrays of its own: bytes may alias anything, and a compiler
// then takes one at a time.
void UnpackNibbles(const uint8_t* bytes, int lowest, int8_t* out) {
  uint8_t q[16];
  int8_t codes[32];
  std::memcpy(q, bytes, sizeof q);
  for (int j = 0; j < 16; ++j) codes[j] = static_cast<int8_t>((q[j] & 15) + lowest);
  for (int j = 0; j < 16; ++j) codes[j + 16] = static_cast<int8_t>((q[j] >> 4) + lowest);
  std::memcpy(out, codes, sizeof codes);
}

void UnpackQ4_0(const uint8_t* block, const Unpacked& out) {
  out.scale[0] = LoadF16(block);
  UnpackNibbles(block + 2, -8, out.code);
}

void UnpackQ4_1(const uint8_t* block, const Unpacked& out) {
  out.scale[0] = LoadF16(block);
  out.offset[0] = LoadF16(block + 2);
  UnpackNibbles(block + 4, 0, out.code);
}

// The fifth bit of element i is bit i of a 32-bit word.
int FifthBit(uint32_t high, int i) { return static_cast<int>((high >> i) & 1) << 4; }

void UnpackQ5_0(const uint8_t* block, const Unpacked& out) {
  out.scale[0] = LoadF16(block);
  const uint32_t high = LoadUnaligned<uint32_t>(block + 2);
  const uint8_t* q = block + 6;
  for (int j = 0; j < 16; ++j) {
    out.code[j] = static_cast<int8_t>(((q[j] & 15) | FifthBit(high, j)) - 16);
    out.code[j + 16] = static_cast<int8_t>(((q[j] >> 4) | FifthBit(high, j + 16)) - 16);
  }
}

void UnpackQ5_1(const uint8_t* block, const Unpacked& out) {
  out.scale[0] = LoadF16(block);
  out.offset[0] = LoadF16(block + 2);
  const uint32_t high = LoadUnaligned<uint32_t>(block + 4);
  const uint8_t* q = block + 8;
  for (int j = 0; j < 16; ++j) {
    out.code[j] = static_cast<int8_t>((q[j] & 15) | FifthBit(high, j));
    out.code[j + 16] = static_cast<int8_t>((q[j] >> 4) | FifthBit(high, j + 16));
  }
}

void UnpackQ8_0(const uint8_t* block, const Unpacked& out) {
  out.scale[0] = LoadF16(block);
  std::memcpy(out.code, block + 2, 32);
}

// ---- Super-blocks of 256. In each, "group" counts the runs of elements that share one scale.

// Sixteen groups of 16. Byte g of `scales`: scale in the low half, minimum in the high half. Of
// each half of 128 elements, element 32 * s + l is bits 2s, 2s+1 of byte l of that half's 32.
void UnpackQ2_K(const uint8_t* block, const Unpacked& out) {
  const uint8_t* scales = block;
  const uint8_t* q = block + 16;
  const float d = LoadF16(block + 80);
  const float dmin = LoadF16(block + 82);
  for (int group = 0; group < 16; ++group) {
    out.scale[group] = d * static_cast<float>(scales[group] & 15);
    out.offset[group] = -(dmin * static_cast<float>(scales[group] >> 4));
    const int half = group / 8;
    const int shift = 2 * (group % 8 / 2);
    const uint8_t* bytes = q + 32 * half + 16 * (group % 2);
    for (int l = 0; l < 16; ++l) {
      out.code[16 * group + l] = static_cast<int8_t>((bytes[l] >> shift) & 3);
    }
  }
}

// As Q2_K, with a third bit in `high` (bit b of byte l for element 32 * b + l; a clear bit takes 4
// away), no minimum, and 6-bit scales: low halves in bytes 0..7, high pairs in bytes 8..11.
void UnpackQ3_K(const uint8_t* block, const Unpacked& out) {
  const uint8_t* high = block;
  const uint8_t* q = block + 32;
  const uint8_t* packed = block + 96;
  const float d = LoadF16(block + 108);
  for (int group = 0; group < 16; ++group) {
    const int low4 = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
    const int high2 = (packed[8 + group % 4] >> (2 * (group / 4))) & 3;
    out.scale[group] = d * static_cast<float>((low4 | high2 << 4) - 32);
    const int half = group / 8;
    const int shift = 2 * (group % 8 / 2);
    const int start = 16 * (group % 2);
    for (int l = 0; l < 16; ++l) {
      const int low = (q[32 * half + start + l] >> shift) & 3;
      const int third = (high[start + l] >> (group / 2)) & 1;
      out.code[16 * group + l] = static_cast<int8_t>(low - (third ? 0 : 4));
    }
  }
}

// Q4_K and Q5_K: eight groups of 32, 6-bit scale and minimum of each in 12 bytes.
void UnpackScales(const uint8_t* block, const Unpacked& out) {
  const float d = LoadF16(block);
  const float dmin = LoadF16(block + 2);
  const uint8_t* packed = block + 4;
  for (int group = 0; group < 8; ++group) {
    int scale = packed[group] & 63, minimum = packed[group + 4] & 63;
    if (group >= 4) {
      scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4;
      minimum = (packed[group + 4] >> 4) | (packed[group] >> 6) << 4;
    }
    out.scale[group] = d * static_cast<float>(scale);
    out.offset[group] = -(dmin * static_cast<float>(minimum));
  }
}

void UnpackQ4_K(const uint8_t* block, const Unpacked& out) {
  UnpackScales(block, out);
  const uint8_t* q = block + 16;
  for (int group = 0; group < 8; ++group) {
    const uint8_t* bytes = q + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int l = 0; l < 32; ++l) {
      out.code[32 * group + l] = static_cast<int8_t>((bytes[l] >> shift) & 15);
    }
  }
}

void UnpackQ5_K(const uint8_t* block, const Unpacked& out) {
  UnpackScales(block, out);
  const uint8_t* high = block + 16;
  const uint8_t* q = block + 48;
  for (int group = 0; group < 8; ++group) {
    const uint8_t* bytes = q + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int l = 0; l < 32; ++l) {
      const int fifth = ((high[l] >> group) & 1) << 4;
      out.code[32 * group + l] = static_cast<int8_t>(((bytes[l] >> shift) & 15) | fifth);
    }
  }
}

// Sixteen groups of 16 with signed 8-bit scales. Of each half of 128 elements, element 32 * s + l
// has its low four bits in a half byte of the half's 64 `low` bytes (s = 0, 1: low halves; 2, 3:
// high halves) and its high two at bits 2s, 2s+1 of byte l of the half's 32 `high` bytes.
void UnpackQ6_K(const uint8_t* block, const Unpacked& out) {
  const float d = LoadF16(block + 208);
  for (int group = 0; group < 16; ++group) {
    out.scale[group] = d * static_cast<float>(static_cast<int8_t>(block[192 + group]));
    const int half = group / 8;
    const int s = group % 8 / 2;
    const int start = 16 * (group % 2);
    const uint8_t* low = block + 64 * half + 32 * (s % 2) + start;
    const uint8_t* high = block + 128 + 32 * half + start;
    for (int l = 0; l < 16; ++l) {
      const int low4 = (low[l] >> (4 * (s / 2))) & 15;
      const int high2 = (high[l] >> (2 * s)) & 3;
      out.code[16 * group + l] = static_cast<int8_t>((low4 | high2 << 4) - 32);
    }
  }
}

struct Quantized {
  GgmlType type;
  CodeTraits codes;
  void (*unpack)(const uint8_t* block, const Unpacked& out);
};
constexpr Quantized kQuantized[] = {
    {GgmlType::kQ4_0, {32, -8, 7, false}, UnpackQ4_0},
    {GgmlType::kQ4_1, {32, 0, 15, true}, UnpackQ4_1},
    {GgmlType::kQ5_0, {32, -16, 15, false}, UnpackQ5_0},
    {GgmlType::kQ5_1, {32, 0, 31, true}, UnpackQ5_1},
    {GgmlType::kQ8_0, {32, -128, 127, false}, UnpackQ8_0},
    {GgmlType::kQ2_K, {16, 0, 3, true}, UnpackQ2_K},
    {GgmlType::kQ3_K, {16, -4, 3, false}, UnpackQ3_K},
    {GgmlType::kQ4_K, {32, 0, 15, true}, UnpackQ4_K},
    {GgmlType::kQ5_K, {32, 0, 31, true}, UnpackQ5_K},
    {GgmlType::kQ6_K, {16, -32, 31, false}, UnpackQ6_K},
};

const Quantized* Find(GgmlType type) {
  for (const Quantized& row : kQuantized) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

void DequantizeBlocks(const Quantized& row, const uint8_t* source, int64_t elements, float* out) {
  const GgmlTypeTraits& traits = *TraitsOf(static_cast<uint32_t>(row.type));
  int8_t codes[kSuperBlock] = {};
  float scales[kSuperBlock / 16] = {}, offsets[kSuperBlock / 16] = {};
  for (int64_t done = 0; done < elements; done += traits.block_elements) {
    row.unpack(source, {codes, scales, offsets});
    for (int64_t g = 0; g < traits.block_elements / row.codes.group; ++g) {
      const int8_t* q = codes + g * row.codes.group;
      for (int64_t i = 0; i < row.codes.group; ++i) {
        *out++ = static_cast<float>(q[i]) * scales[g] + offsets[g];
      }
    }
    source += traits.block_bytes;
  }
}

}  // namespace

const CodeTraits* CodesOf(GgmlType type) {
  const Quantized* row = Find(type);
  return row == nullptr ? nullptr : &row->codes;
}

void Unpack(GgmlType type, const void* source, int64_t elements, int8_t* codes, float* scales,
            float* offsets) {
  const Quantized* row = Find(type);
  KVLINK_CHECK(row != nullptr && "a type that CodesOf does not know");
  const GgmlTypeTraits& traits = *TraitsOf(static_cast<uint32_t>(type));
  const auto* bytes = static_cast<const uint8_t*>(source);
  std::fill_n(offsets, elements / row->codes.group, 0.0f);
  const int64_t blocks = elements / traits.block_elements;
  const int64_t groups_of_block = traits.block_elements / row->codes.group;
  for (int64_t block = 0; block < blocks; ++block) {
    row->unpack(bytes, {codes, scales, offsets});
    bytes += traits.block_bytes;
    codes += traits.block_elements;
    scales += groups_of_block;
    offsets += groups_of_block;
  }
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
      for (int64_t i = 0; i < elements; ++i)
        out[i] = FromBf16(LoadUnaligned<bf16_t>(bytes + 2 * i));
      return;
    default:
      const Quantized* row = Find(type);
      KVLINK_CHECK(row != nullptr && "a type that TraitsOf does not know");
      DequantizeBlocks(*row, bytes, elements, out);
  }
}

}  // namespace kvlink::tensor

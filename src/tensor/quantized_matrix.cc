#include "tensor/quantized_matrix.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace kvlink::tensor {
namespace {

constexpr int64_t kTileRows = 16, kTileColumns = 32;

// Bytes 0, 2, 4, 6 of `b`, four bits of each.
uint32_t EvenNibbles(uint64_t b) {
  b &= 0x000f000f000f000full;
  b |= b >> 12;
  return static_cast<uint32_t>((b & 0xff) | ((b >> 24) & 0xff00));
}

// Eight codes of 0 to 15: neighbours 0 and 1 at bits 0 and 16, 2 and 3 at bits 4 and 20, ...
uint32_t PackNibbles(const int8_t* codes) {
  uint64_t b;
  std::memcpy(&b, codes, sizeof b);
  return EvenNibbles(b) | EvenNibbles(b >> 8) << 16;
}

// Four codes: neighbours 0 and 1 in bytes 0 and 2, 2 and 3 in bytes 1 and 3.
uint32_t PackBytes(const int8_t* codes) {
  const auto byte = [&](int i) { return static_cast<uint32_t>(static_cast<uint8_t>(codes[i])); };
  return byte(0) | byte(2) << 8 | byte(1) << 16 | byte(3) << 24;
}

// Sixteen rows of a matrix, unpacked. Zeros behind N.
struct Rows {
  std::vector<int8_t> codes;           // [16, k]
  std::vector<float> scales, offsets;  // [16, k / group]

  Rows(int64_t k, int64_t group)
      : codes(kTileRows * k), scales(kTileRows * k / group), offsets(kTileRows * k / group) {}
};

void WriteTiles(const Rows& rows, int64_t k, const TileLayout& layout, std::byte* tile) {
  const int64_t words = layout.nibbles ? 4 : 8, codes_of_word = kTileColumns / words;
  const int64_t groups = kTileColumns / layout.group, groups_of_row = k / layout.group;
  for (int64_t t = 0; t < k / kTileColumns; ++t, tile += layout.bytes()) {
    auto* word = reinterpret_cast<uint32_t*>(tile);
    for (int64_t w = 0; w < words; ++w) {
      for (int64_t r = 0; r < kTileRows; ++r) {
        const int8_t* codes = rows.codes.data() + r * k + t * kTileColumns + w * codes_of_word;
        *word++ = layout.nibbles ? PackNibbles(codes) : PackBytes(codes);
      }
    }
    auto* number = reinterpret_cast<float*>(tile + layout.code_bytes());
    const auto write = [&](const std::vector<float>& of_groups) {
      for (int64_t g = 0; g < groups; ++g) {
        for (int64_t r = 0; r < kTileRows; ++r) {
          *number++ = of_groups[r * groups_of_row + t * groups + g];
        }
      }
    };
    write(rows.scales);
    if (layout.has_offsets) write(rows.offsets);
  }
}

}  // namespace

bool QuantizedMatrix::CanHold(GgmlType type, int64_t k) {
  return CodesOf(type) != nullptr && k % kTileColumns == 0;
}

Result<QuantizedMatrix> QuantizedMatrix::Create(GgmlType type, const std::byte* source, int64_t n,
                                                int64_t k, WeightMemory* where) {
  const CodeTraits& codes = *CodesOf(type);
  const GgmlTypeTraits& traits = *TraitsOf(static_cast<uint32_t>(type));
  const int64_t row_bytes = k / traits.block_elements * traits.block_bytes;
  // Nibbles have no sign: codes count from 0, and the offset makes up for it.
  const bool nibbles = codes.highest - codes.lowest <= 15;
  const int lowest = nibbles ? codes.lowest : 0;
  const TileLayout layout{nibbles, codes.group, codes.has_offsets || lowest != 0};
  const int64_t blocks = (n + kTileRows - 1) / kTileRows;
  const int64_t block_bytes = k / kTileColumns * layout.bytes();
  auto* tiles = static_cast<std::byte*>(where->Take(blocks * block_bytes));
  const int threads = omp_get_max_threads();
  std::vector<Rows> of_threads;  // an exception may not leave a parallel region
  try {
    for (int i = 0; i < threads; ++i) of_threads.emplace_back(k, codes.group);
  } catch (const std::bad_alloc&) {
    tiles = nullptr;
  }
  if (tiles == nullptr) {
    return ResourceExhausted("memory for the codes of a matrix of " + std::to_string(n) + " x " +
                             std::to_string(k) + " could not be had; close other programs");
  }
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks; ++block) {
    Rows& rows = of_threads[static_cast<size_t>(omp_get_thread_num())];
    for (int64_t r = 0; r < kTileRows; ++r) {
      const int64_t row = block * kTileRows + r, groups = k / codes.group;
      int8_t* row_codes = rows.codes.data() + r * k;
      float* scales = rows.scales.data() + r * groups;
      float* offsets = rows.offsets.data() + r * groups;
      if (row >= n) {
        std::fill_n(row_codes, k, int8_t{0});
        std::fill_n(scales, groups, 0.0f);
        std::fill_n(offsets, groups, 0.0f);
        continue;
      }
      Unpack(type, source + row * row_bytes, k, row_codes, scales, offsets);
      if (lowest == 0) continue;
      for (int64_t i = 0; i < k; ++i) row_codes[i] = static_cast<int8_t>(row_codes[i] - lowest);
      for (int64_t g = 0; g < groups; ++g) offsets[g] += scales[g] * static_cast<float>(lowest);
    }
    WriteTiles(rows, k, layout, tiles + block * block_bytes);
  }
  return QuantizedMatrix(n, k, layout, tiles);
}

void QuantizedMatrix::Multiply(const QuantizedRows& x, int64_t begin, int64_t end, bool add,
                               float* y, int64_t y_stride) const {
  MultiplyTiles(x, tiles_, k_ / kTileColumns, layout_, begin, end, add, y, y_stride);
}

void QuantizedMatrix::ReadRow(int64_t row, float* out) const {
  const int64_t tiles_of_row = k_ / kTileColumns, r = row % kTileRows;
  const std::byte* tile = tiles_ + row / kTileRows * tiles_of_row * layout_.bytes();
  const auto number = [&](int64_t first, int64_t group) {
    float value;
    std::memcpy(&value, tile + layout_.code_bytes() + ((first + group) * kTileRows + r) * 4,
                sizeof value);
    return value;
  };
  const int64_t groups = kTileColumns / layout_.group;
  const int64_t codes_of_word = layout_.nibbles ? 8 : 4;
  for (int64_t t = 0; t < tiles_of_row; ++t, tile += layout_.bytes()) {
    for (int64_t i = 0; i < kTileColumns; ++i) {
      uint32_t word;
      std::memcpy(&word, tile + (i / codes_of_word * kTileRows + r) * 4, sizeof word);
      const int64_t place = i % codes_of_word;  // as PackNibbles and PackBytes have it
      const int code = layout_.nibbles
                           ? static_cast<int>(word >> (place / 2 * 4 + place % 2 * 16) & 15)
                           : static_cast<int8_t>(word >> (place / 2 * 8 + place % 2 * 16) & 255);
      const int64_t group = i / layout_.group;
      const float offset = layout_.has_offsets ? number(groups, group) : 0.0f;
      *out++ = number(0, group) * static_cast<float>(code) + offset;
    }
  }
}

int64_t QuantizedMatrix::bytes() const {
  return RoundUp(n_, kTileRows) / kTileRows * (k_ / kTileColumns) * layout_.bytes();
}

}  // namespace kvlink::tensor

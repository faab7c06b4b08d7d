// Seeded mutations of a file's bytes, for tests of what reads files from outside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <string>

namespace kvlink::testing {

// Changes one to four things: a byte, a number of 4 or 8 bytes for an extreme one, a piece removed,
// a piece repeated, a piece moved over another.
inline std::string Mutated(std::string bytes, size_t header_bytes, std::mt19937_64& random) {
  static constexpr uint64_t kExtremes[] = {0,          1,          7,          31,
                                           0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32,
                                           1ull << 61, 1ull << 62, 1ull << 63, ~0ull};
  const auto below = [&](size_t n) { return n == 0 ? 0 : static_cast<size_t>(random() % n); };
  for (size_t change = 1 + below(4); change > 0 && bytes.size() > 16; --change) {
    const size_t at = below(std::min(header_bytes, bytes.size() - 8));
    const size_t length = std::min(1 + below(40), bytes.size() - at);
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] ^= static_cast<char>(1 << below(8));
        break;
      case 2: {
        const uint64_t extreme = kExtremes[below(std::size(kExtremes))] + below(3) - 1;
        std::memcpy(bytes.data() + at, &extreme, below(2) == 0 ? 4 : 8);
        break;
      }
      case 3:
        bytes.erase(at, length);
        break;
      case 4:
        bytes.insert(below(bytes.size()), bytes.substr(at, length));
        break;
      default: {
        const std::string piece = bytes.substr(at, length);
        bytes.replace(below(bytes.size() - length + 1), length, piece);
        break;
      }
    }
  }
  return bytes;
}

}  // namespace kvlink::testing

// Hashes: SHA-256 (OpenSSL) where a value names something, XXH3-64 (xxHash) where it only guards
// bytes against accidents.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "kvlink/status.h"

namespace kvlink {

using Sha256Digest = std::array<uint8_t, 32>;

// A running SHA-256. One owner, one thread.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& Update(std::span<const std::byte> bytes);
  // A string or number goes in as 8 bytes of length or value, little-endian, then the bytes, so
  // that a sequence of fields has one reading only.
  Sha256& Field(std::string_view text);
  Sha256& Field(uint64_t number);
  Sha256Digest Finish();  // REQUIRES: called once, last

 private:
  struct State;
  std::unique_ptr<State> state_;
};

uint64_t Xxh3(std::span<const std::byte> bytes);

std::string ToHex(std::span<const uint8_t> bytes);
Result<Sha256Digest> DigestFromHex(std::string_view hex);

}  // namespace kvlink

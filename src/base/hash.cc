// SHA-256 by OpenSSL's EVP, XXH3 by xxHash, and hexadecimal.
#include "base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "base/check.h"

namespace kvlink {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

// OpenSSL's calls fail here only without memory or without SHA-256: neither leaves a way to go on.
Sha256::Sha256() : state_(std::make_unique<State>()) {
  KVLINK_CHECK(state_->context != nullptr);
  KVLINK_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::Update(std::span<const std::byte> bytes) {
  KVLINK_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
  return *this;
}

Sha256& Sha256::Field(std::string_view text) {
  Field(static_cast<uint64_t>(text.size()));
  return Update(AsBytes(text));
}

Sha256& Sha256::Field(uint64_t number) { return Update(std::as_bytes(std::span(&number, 1))); }

Sha256Digest Sha256::Finish() {
  Sha256Digest digest{};
  unsigned size = 0;
  KVLINK_CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), &size) == 1);
  KVLINK_CHECK(size == digest.size());
  return digest;
}

uint64_t Xxh3(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string ToHex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

Result<Sha256Digest> DigestFromHex(std::string_view hex) {
  Sha256Digest digest{};
  if (hex.size() != digest.size() * 2) {
    return InvalidArgument("a SHA-256 is 64 hexadecimal digits, found " +
                           std::to_string(hex.size()) + " characters");
  }
  for (size_t i = 0; i < digest.size(); ++i) {
    const int high = HexValue(hex[2 * i]);
    const int low = HexValue(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return InvalidArgument("a SHA-256 is 64 hexadecimal digits, found another character near " +
                             std::to_string(2 * i));
    }
    digest[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return digest;
}

}  // namespace kvlink

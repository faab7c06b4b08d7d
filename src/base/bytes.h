// Little-endian numbers in byte strings: a reader that cannot run past its end, and a writer.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace kvlink {

static_assert(std::endian::native == std::endian::little, "kvlink's files are little-endian");

inline std::span<const std::byte> AsBytes(std::string_view s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}
inline std::string_view AsText(std::span<const std::byte> b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

template <class T>
T LoadUnaligned(const void* bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// Reads front to back. A read past the end fails, moves nothing and stays failed.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  bool Read(T* value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (failed_ || bytes_.size() - offset_ < sizeof(T)) return Fail();
    std::memcpy(value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return true;
  }
  bool ReadSpan(uint64_t size, std::span<const std::byte>* out) {
    if (failed_ || size > bytes_.size() - offset_) return Fail();
    *out = bytes_.subspan(offset_, size);
    offset_ += size;
    return true;
  }
  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }

 private:
  bool Fail() {
    failed_ = true;
    return false;
  }
  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
  bool failed_ = false;
};

template <class T>
void AppendValue(std::string* out, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

inline int64_t RoundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace kvlink

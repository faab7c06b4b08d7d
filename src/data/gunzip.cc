// Gunzip (data/gunzip.h) over zlib's inflate.
#include "data/gunzip.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

namespace kvlink::data {
namespace {

// zlib's state, ended on every way out. One owner.
class Inflater {
 public:
  Inflater() { ok_ = inflateInit2(&stream_, 15 + 16) == Z_OK; }  // 16: a gzip header is expected
  ~Inflater() {
    if (ok_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool ok() const { return ok_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_ = {};
  bool ok_ = false;
};

std::string At(size_t offset) { return " at compressed byte " + std::to_string(offset); }

}  // namespace

bool IsGzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

Result<std::string> Gunzip(const std::string& path, std::span<const std::byte> bytes,
                           int64_t max_bytes) {
  constexpr size_t kChunk = 1 << 18;
  Inflater inflater;
  if (!inflater.ok()) return ResourceExhausted(path + ": no memory to unpack gzip");
  z_stream& z = inflater.stream();
  std::vector<unsigned char> chunk(kChunk);
  std::string out;
  size_t at = 0;
  for (bool member_open = true; member_open || IsGzip(bytes.subspan(at));) {
    if (!member_open && inflateReset(&z) != Z_OK) return Internal(path + ": inflateReset");
    // zlib does not write through next_in; its type is older than const.
    z.next_in = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data() + at));
    z.avail_in = static_cast<uInt>(std::min<size_t>(bytes.size() - at, 1 << 30));
    z.next_out = chunk.data();
    z.avail_out = static_cast<uInt>(kChunk);
    const uInt given = z.avail_in;
    const int code = inflate(&z, Z_NO_FLUSH);
    const size_t written = kChunk - z.avail_out;
    const size_t read = given - z.avail_in;
    at += read;
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      return InvalidArgument(path + ": whole gzip data expected, found damage" + At(at) + " (" +
                             (z.msg != nullptr ? z.msg : "zlib says no more") +
                             "); copy the file again");
    }
    if (static_cast<int64_t>(out.size() + written) > max_bytes) {
      return InvalidArgument(path + ": at most " + std::to_string(max_bytes) +
                             " unpacked bytes expected, found more" + At(at) +
                             "; split the file if it is meant to be so large");
    }
    out.append(reinterpret_cast<const char*>(chunk.data()), written);
    member_open = code != Z_STREAM_END;
    if (member_open && read == 0 && written == 0) {
      return InvalidArgument(path + ": whole gzip data expected, found its end" + At(at) +
                             "; the file is cut short, copy it again");
    }
  }
  // What follows the last member (padding, usually zeros) is ignored, as gzip does.
  return out;
}

}  // namespace kvlink::data

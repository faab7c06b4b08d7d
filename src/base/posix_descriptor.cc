// Errors, descriptors, writing (base/posix_descriptor.h).
#include "base/posix_descriptor.h"

#include <sys/stat.h>

#include <algorithm>
#include <system_error>

namespace kvlink {
namespace {

class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Status Append(std::span<const std::byte> bytes) override {
    constexpr size_t kMostAtOnce = size_t{1} << 30;  // Linux writes at most 2 GiB a call
    while (!bytes.empty()) {
      const ssize_t written = RetryInterrupted(
          [&] { return write(fd_.get(), bytes.data(), std::min(bytes.size(), kMostAtOnce)); });
      if (written < 0) return SystemError("write", path_, errno);
      if (written == 0) return SystemError("write", path_, ENOSPC);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return {};
  }
  Status Sync() override {
    if (RetryInterrupted([&] { return fsync(fd_.get()); }) != 0) {
      return SystemError("sync", path_, errno);
    }
    return {};
  }
  Status Close() override {
    if (close(fd_.Release()) != 0 && errno != EINTR) return SystemError("close", path_, errno);
    return {};
  }

 private:
  std::string path_;
  Descriptor fd_;
};

StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return StatusCode::kNotFound;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
    case ENXIO:  // a socket, or a device without a driver
    case ENODEV:
      return StatusCode::kFailedPrecondition;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
      return StatusCode::kInvalidArgument;
    default:
      return StatusCode::kUnavailable;
  }
}

}  // namespace

Status SystemError(const std::string& what, const std::string& path, int error) {
  std::string message =
      "cannot " + what + " '" + path + "': " + std::generic_category().message(error);
  if (error == ENOSPC) message += " (the disk is full; free some space on it)";
  if (error == EDQUOT) message += " (your share of the disk is full; free some of it)";
  return {CodeOf(error), std::move(message)};
}

Result<Descriptor> OpenDescriptor(int folder, const std::string& name, const std::string& path,
                                  int flags, const char* what, mode_t mode) {
  // A NUL would cut the path short and open another file.
  if (name.find('\0') != std::string::npos) {
    return InvalidArgument(std::string("cannot ") + what + " a path with a NUL byte in it");
  }
  const int all = flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int fd = RetryInterrupted([&] { return openat(folder, name.c_str(), all, mode); });
  if (fd >= 0) return Descriptor(fd);
  const int error = errno;
  // "a/b" where a is a file: nothing is there, as with ENOENT. Where b itself is no folder, it is.
  struct stat info {};
  if (error == ENOTDIR && fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return NotFound(SystemError(what, path, error).message());
  }
  return SystemError(what, path, error);
}

std::unique_ptr<WritableFile> NewPosixWritableFile(std::string path, Descriptor fd) {
  return std::make_unique<PosixWritableFile>(std::move(path), std::move(fd));
}

}  // namespace kvlink

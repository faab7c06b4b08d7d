// What the files over POSIX share: errors, calls repeated after signals, owned descriptors. Only
// base/posix_*.cc include it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "base/file.h"

namespace kvlink {

// "cannot WHAT 'PATH': ...", with the cause and, for a full disk, the remedy.
Status SystemError(const std::string& what, const std::string& path, int error);

template <class Call>
auto RetryInterrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

// Owns a descriptor. Closing is never repeated: on Linux the descriptor is gone even after EINTR.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// openat with O_CLOEXEC, O_NONBLOCK and O_NOCTTY: it neither waits for a FIFO's other end nor takes
// a terminal. `path` names the file in errors; `name` is what is opened, relative to `folder`
// (AT_FDCWD for a path of its own).
Result<Descriptor> OpenDescriptor(int folder, const std::string& name, const std::string& path,
                                  int flags, const char* what, mode_t mode = 0600);

// Over a descriptor that was opened for writing.
std::unique_ptr<WritableFile> NewPosixWritableFile(std::string path, Descriptor fd);
// Over a descriptor of a regular file.
Result<std::shared_ptr<const MappedFile>> MapDescriptor(const std::string& path,
                                                        const Descriptor& fd);

Result<std::unique_ptr<Folder>> OpenPosixFolder(int folder, const std::string& name,
                                                const std::string& path);
// As FileSystem::List, of an open folder.
Result<std::vector<FileInfo>> ListDescriptor(const std::string& path, Descriptor fd);

}  // namespace kvlink

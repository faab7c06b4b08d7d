// FileSystem over POSIX: open, write, fsync, rename, mmap, flock. Not here: what the files mean.
//
// Every system call that a signal may interrupt is repeated. Mapped files must not be truncated
// while mapped (a read beyond the new end is SIGBUS); kvlink only ever replaces files by rename.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>
#include <thread>
#include <utility>

#include "base/file.h"

namespace kvlink {
namespace {

Status SystemError(const std::string& what, const std::string& path, int error) {
  std::string message =
      "cannot " + what + " '" + path + "': " + std::generic_category().message(error);
  switch (error) {
    case ENOENT:
      return NotFound(std::move(message));
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return ResourceExhausted(std::move(message));
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
      return FailedPrecondition(std::move(message));
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
      return InvalidArgument(std::move(message));
    default:
      return Unavailable(std::move(message));
  }
}

template <class Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

std::string NameOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
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

Result<Descriptor> OpenDescriptor(const std::string& path, int flags, const char* what) {
  // A NUL would cut the path short and open another file.
  if (path.find('\0') != std::string::npos) {
    return InvalidArgument(std::string("cannot ") + what + " a path with a NUL byte in it");
  }
  const int fd = Retry([&] { return open(path.c_str(), flags | O_CLOEXEC, 0666); });
  if (fd < 0) return SystemError(what, path, errno);
  return Descriptor(fd);
}

class PosixMapping : public MappedFile {
 public:
  PosixMapping(void* data, size_t size) : data_(data), size_(size) {}
  ~PosixMapping() override {
    if (size_ > 0) munmap(data_, size_);
  }
  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(data_), size_};
  }
  void Release() const override {
    if (size_ > 0) madvise(data_, size_, MADV_DONTNEED);  // a hint: a failure costs memory only
  }

 private:
  void* data_;
  size_t size_;
};

class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Status Append(std::span<const std::byte> bytes) override {
    constexpr size_t kMostAtOnce = size_t{1} << 30;  // Linux writes at most 2 GiB a call
    while (!bytes.empty()) {
      const ssize_t written = Retry(
          [&] { return write(fd_.get(), bytes.data(), std::min(bytes.size(), kMostAtOnce)); });
      if (written < 0) return SystemError("write", path_, errno);
      if (written == 0) return SystemError("write", path_, ENOSPC);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return {};
  }
  Status Sync() override {
    if (Retry([&] { return fsync(fd_.get()); }) != 0) return SystemError("sync", path_, errno);
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

class PosixLock : public FileLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}
  // Unlocked by name, not only closed: a forked child may still hold the descriptor.
  ~PosixLock() override { flock(fd_.get(), LOCK_UN); }

 private:
  Descriptor fd_;
};

class PosixFileSystem : public FileSystem {
 public:
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    KVLINK_ASSIGN_OR_RETURN(const Descriptor fd, OpenDescriptor(path, O_RDONLY, "read"));
    struct stat info {};
    if (fstat(fd.get(), &info) != 0) return SystemError("stat", path, errno);
    if (S_ISDIR(info.st_mode)) return SystemError("read", path, EISDIR);
    if (!S_ISREG(info.st_mode)) {
      return FailedPrecondition("cannot read '" + path + "': not a regular file");
    }
    const size_t size = static_cast<size_t>(info.st_size);
    void* data = nullptr;
    if (size > 0) {
      data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
      if (data == MAP_FAILED) return SystemError("map", path, errno);
    }
    return std::shared_ptr<const MappedFile>(std::make_shared<PosixMapping>(data, size));
  }

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    KVLINK_ASSIGN_OR_RETURN(Descriptor fd,
                            OpenDescriptor(path, O_WRONLY | O_CREAT | O_TRUNC, "create"));
    return std::unique_ptr<WritableFile>(std::make_unique<PosixWritableFile>(path, std::move(fd)));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) {
      return SystemError("rename to '" + to + "'", from, errno);
    }
    return {};
  }

  Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return SystemError("remove", path, errno);
    return {};
  }

  Status CreateDirectories(const std::string& path) override {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      if (mkdir(part.c_str(), 0777) != 0) {
        const int error = errno;
        // Whatever mkdir said (EEXIST, EROFS, EACCES), a folder that is there is what was asked.
        struct stat info {};
        const bool there = stat(part.c_str(), &info) == 0;
        if (there && !S_ISDIR(info.st_mode)) return SystemError("create folder", part, ENOTDIR);
        if (!there) return SystemError("create folder", part, error);
      }
      if (end == std::string::npos) return {};
    }
  }

  Status SyncDirectory(const std::string& path) override {
    KVLINK_ASSIGN_OR_RETURN(const Descriptor fd,
                            OpenDescriptor(path, O_RDONLY | O_DIRECTORY, "open folder"));
    if (Retry([&] { return fsync(fd.get()); }) != 0) return SystemError("sync", path, errno);
    return {};
  }

  Result<std::vector<FileInfo>> List(const std::string& directory) override {
    DIR* const handle = opendir(directory.c_str());
    if (handle == nullptr) return SystemError("list", directory, errno);
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(handle, closedir);
    std::vector<FileInfo> out;
    while (true) {
      errno = 0;
      const dirent* const entry = readdir(handle);
      if (entry == nullptr) {
        if (errno != 0) return SystemError("list", directory, errno);
        break;
      }
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat info {};
      if (fstatat(dirfd(handle), entry->d_name, &info, 0) != 0) {
        if (errno == ENOENT) continue;  // gone meanwhile, or a link to nowhere
        const int error = errno;
        return SystemError("stat", std::string(directory).append("/").append(name), error);
      }
      out.push_back({name, static_cast<int64_t>(info.st_size), S_ISDIR(info.st_mode)});
    }
    std::sort(out.begin(), out.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
    return out;
  }

  Result<FileInfo> Stat(const std::string& path) override {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return SystemError("stat", path, errno);
    return FileInfo{NameOf(path), static_cast<int64_t>(info.st_size), S_ISDIR(info.st_mode)};
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, int64_t timeout_ms) override {
    using std::chrono::steady_clock;
    KVLINK_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_RDWR | O_CREAT, "lock"));
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    // flock has no time limit of its own, so it is asked again and again, ever more seldom.
    auto pause = std::chrono::microseconds(200);
    while (Retry([&] { return flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return SystemError("lock", path, errno);
      if (steady_clock::now() >= deadline) {
        return Unavailable("cannot lock '" + path + "': another process kept it for " +
                           std::to_string(timeout_ms) + " ms; wait for it to finish and try again");
      }
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::microseconds(10'000));
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(fd)));
  }
};

}  // namespace

FileSystem& FileSystem::Posix() {
  static PosixFileSystem files;
  return files;
}

}  // namespace kvlink

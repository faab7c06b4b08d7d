// FileSystem over POSIX: open, read, rename, mkdir, flock. Not here: what the files mean; mappings
// (base/posix_mapping.cc), folders held open (base/posix_folder.cc).
//
// Every system call that a signal may interrupt is repeated.
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/posix_descriptor.h"

namespace kvlink {
namespace {

mode_t FolderMode(FileAccess access) { return access == FileAccess::kPrivate ? 0700 : 0777; }
mode_t FileMode(FileAccess access) { return access == FileAccess::kPrivate ? 0600 : 0666; }

const char* KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "no regular file";
}

struct OpenFile {
  Descriptor fd;
  size_t size_bytes;
};

Result<size_t> SizeOfRegularFile(const Descriptor& fd, const char* what, const std::string& path) {
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return SystemError("stat", path, errno);
  if (S_ISREG(info.st_mode)) return static_cast<size_t>(info.st_size);
  return FailedPrecondition(std::string("cannot ") + what + " '" + path + "': it is " +
                            KindOf(info.st_mode) + ", a file expected");
}

// Opens first, without waiting, and looks at what was opened: between a look and an opening it
// could change.
Result<OpenFile> OpenForReading(const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(AT_FDCWD, path, path, O_RDONLY, "read"));
  KVLINK_ASSIGN_OR_RETURN(const size_t size_bytes, SizeOfRegularFile(fd, "read", path));
  return OpenFile{std::move(fd), size_bytes};
}

class PosixLock : public FileLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}
  // Unlocked by name, not only closed: a forked child may still hold the descriptor.
  ~PosixLock() override { flock(fd_.get(), LOCK_UN); }

 private:
  Descriptor fd_;
};

Status TooLarge(const std::string& path, size_t bytes, int64_t max_bytes) {
  return InvalidArgument("'" + path + "' has " + std::to_string(bytes) + " bytes, at most " +
                         std::to_string(max_bytes) + " expected");
}

class PosixFileSystem : public FileSystem {
 public:
  Result<std::string> Read(const std::string& path, int64_t max_bytes) override {
    KVLINK_ASSIGN_OR_RETURN(const OpenFile file, OpenForReading(path));
    const size_t most = static_cast<size_t>(std::max<int64_t>(max_bytes, 0));
    if (file.size_bytes > most) return TooLarge(path, file.size_bytes, max_bytes);
    // It may have grown or shrunk since, and files of /proc say 0: the end of the file decides.
    constexpr size_t kChunkBytes = size_t{64} << 10;
    std::string text;
    size_t size = 0;
    while (true) {
      if (size == text.size()) {
        const size_t wanted = size == 0 ? file.size_bytes + 1 : size + std::max(size, kChunkBytes);
        text.resize(std::min(wanted, most + 1));
      }
      const ssize_t got = RetryInterrupted(
          [&] { return read(file.fd.get(), text.data() + size, text.size() - size); });
      if (got < 0) return SystemError("read", path, errno);
      if (got == 0) break;
      size += static_cast<size_t>(got);
      if (size > most) return TooLarge(path, size, max_bytes);
    }
    text.resize(size);
    return text;
  }

  Status ReadPieces(const std::string& path, int64_t max_bytes,
                    const std::function<Status(std::string_view)>& take) override {
    constexpr size_t kPieceBytes = size_t{256} << 10;
    KVLINK_ASSIGN_OR_RETURN(const OpenFile file, OpenForReading(path));
    std::string piece(kPieceBytes, '\0');
    int64_t size = 0;
    while (true) {
      const ssize_t got =
          RetryInterrupted([&] { return read(file.fd.get(), piece.data(), piece.size()); });
      if (got < 0) return SystemError("read", path, errno);
      if (got == 0) return {};
      size += got;
      if (size > max_bytes) return TooLarge(path, static_cast<size_t>(size), max_bytes);
      KVLINK_RETURN_IF_ERROR(take(std::string_view(piece).substr(0, static_cast<size_t>(got))));
    }
  }

  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    KVLINK_ASSIGN_OR_RETURN(const OpenFile file, OpenForReading(path));
    return MapDescriptor(path, file.fd);
  }

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                               FileAccess access) override {
    KVLINK_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(AT_FDCWD, path, path,
                                                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                                          "create", FileMode(access)));
    // Says that somebody lives who writes it; where there is no flock, nobody will ask either.
    (void)flock(fd.get(), LOCK_EX | LOCK_NB);
    return NewPosixWritableFile(path, std::move(fd));
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

  Status CreateDirectories(const std::string& path, FileAccess access) override {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      if (mkdir(part.c_str(), FolderMode(access)) == 0) {
        KVLINK_RETURN_IF_ERROR(SyncParent(part));
      } else {
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
    KVLINK_ASSIGN_OR_RETURN(
        const Descriptor fd,
        OpenDescriptor(AT_FDCWD, path, path, O_RDONLY | O_DIRECTORY, "open folder"));
    if (RetryInterrupted([&] { return fsync(fd.get()); }) != 0) {
      return SystemError("sync", path, errno);
    }
    return {};
  }

  Result<std::unique_ptr<Folder>> OpenFolder(const std::string& path) override {
    std::string name = path;  // "a/" would follow a link at a
    while (name.size() > 1 && name.back() == '/') name.pop_back();
    return OpenPosixFolder(AT_FDCWD, name, name);
  }

  Result<std::vector<FileInfo>> List(const std::string& directory) override {
    KVLINK_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(AT_FDCWD, directory, directory,
                                                          O_RDONLY | O_DIRECTORY, "list"));
    return ListDescriptor(directory, std::move(fd));
  }

  Result<FileInfo> Stat(const std::string& path) override {
    struct stat info {};
    if (path.find('\0') != std::string::npos) {
      return InvalidArgument("cannot stat a path with a NUL byte in it");
    }
    if (stat(path.c_str(), &info) != 0) {
      const int error = errno;
      if (error == ENOTDIR) return NotFound(SystemError("stat", path, error).message());
      return SystemError("stat", path, error);
    }
    FileType type = FileType::kOther;
    if (S_ISREG(info.st_mode)) type = FileType::kFile;
    if (S_ISDIR(info.st_mode)) type = FileType::kDirectory;
    return FileInfo{std::string(FileNameOf(path)), static_cast<int64_t>(info.st_size), type,
                    int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000,
                    static_cast<int64_t>(info.st_dev)};
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, int64_t timeout_ms) override {
    using std::chrono::steady_clock;
    KVLINK_ASSIGN_OR_RETURN(
        Descriptor fd, OpenDescriptor(AT_FDCWD, path, path, O_RDWR | O_CREAT | O_NOFOLLOW, "lock"));
    KVLINK_RETURN_IF_ERROR(SizeOfRegularFile(fd, "lock", path).status());
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    // flock has no time limit of its own, so it is asked again and again, ever more seldom.
    auto pause = std::chrono::microseconds(200);
    while (RetryInterrupted([&] { return flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
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

 private:
  // A parent that may be entered but not read cannot be synced by us, and stays so.
  Status SyncParent(const std::string& path) {
    Status status = SyncDirectory(FolderOf(path));
    return status.code() == StatusCode::kFailedPrecondition ? Status() : status;
  }
};

}  // namespace

FileSystem& FileSystem::Posix() {
  static PosixFileSystem files;
  return files;
}

}  // namespace kvlink

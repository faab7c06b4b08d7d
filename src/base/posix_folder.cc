// Folders over POSIX: openat, fstatat, unlinkat, renameat, and readdir for both kinds of listing.
#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "base/posix_descriptor.h"

namespace kvlink {
namespace {

FileType TypeOf(mode_t mode) {
  if (S_ISREG(mode)) return FileType::kFile;
  if (S_ISDIR(mode)) return FileType::kDirectory;
  if (S_ISLNK(mode)) return FileType::kSymlink;
  return FileType::kOther;
}

// For entries that cannot be looked at more closely.
FileType TypeOfEntry(unsigned char type) {
  switch (type) {
    case DT_REG:
      return FileType::kFile;
    case DT_DIR:
      return FileType::kDirectory;
    case DT_LNK:
      return FileType::kSymlink;
    default:
      return FileType::kOther;
  }
}

class PosixFolder : public Folder {
 public:
  PosixFolder(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Result<std::vector<FileInfo>> List() override {
    // An open of its own, for reading moves its place.
    KVLINK_ASSIGN_OR_RETURN(Descriptor fd,
                            OpenDescriptor(fd_.get(), ".", path_, O_RDONLY | O_DIRECTORY, "list"));
    return ListDescriptor(path_, std::move(fd));
  }

  Result<std::unique_ptr<Folder>> OpenFolder(const std::string& name) override {
    KVLINK_RETURN_IF_ERROR(CheckName(name));
    return OpenPosixFolder(fd_.get(), name, PathOf(name));
  }

  Result<std::unique_ptr<WritableFile>> Create(const std::string& name,
                                               FileAccess access) override {
    KVLINK_RETURN_IF_ERROR(CheckName(name));
    KVLINK_ASSIGN_OR_RETURN(
        Descriptor fd,
        OpenDescriptor(fd_.get(), name, PathOf(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                       "create", access == FileAccess::kPrivate ? 0600 : 0666));
    return NewPosixWritableFile(PathOf(name), std::move(fd));
  }

  Status Remove(const std::string& name) override {
    KVLINK_RETURN_IF_ERROR(CheckName(name));
    if (unlinkat(fd_.get(), name.c_str(), 0) != 0) {
      return SystemError("remove", PathOf(name), errno);
    }
    return {};
  }

  Status Rename(const std::string& from, Folder& to_folder, const std::string& to) override {
    KVLINK_RETURN_IF_ERROR(CheckName(from));
    KVLINK_RETURN_IF_ERROR(CheckName(to));
    if (renameat(fd_.get(), from.c_str(), to_folder.descriptor(), to.c_str()) != 0) {
      return SystemError("rename to '" + to + "'", PathOf(from), errno);
    }
    return {};
  }

  Status Sync() override {
    if (RetryInterrupted([&] { return fsync(fd_.get()); }) != 0) {
      return SystemError("sync", path_, errno);
    }
    return {};
  }

  int descriptor() const override { return fd_.get(); }

 private:
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }
  Status CheckName(const std::string& name) const {
    if (!name.empty() && name != "." && name != ".." &&
        name.find_first_of(std::string_view("/\0", 2)) == std::string::npos) {
      return {};
    }
    return InvalidArgument("'" + name + "' is no name of a file in '" + path_ + "'");
  }

  std::string path_;
  Descriptor fd_;
};

}  // namespace

Result<std::unique_ptr<Folder>> OpenPosixFolder(int folder, const std::string& name,
                                                const std::string& path) {
  Result<Descriptor> fd =
      OpenDescriptor(folder, name, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, "open the folder");
  if (!fd.ok()) {
    struct stat info {};
    if (fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode)) {
      return FailedPrecondition("'" + path +
                                "' is a link, a folder expected; links are not "
                                "followed here");
    }
    return fd.status();
  }
  return std::unique_ptr<Folder>(std::make_unique<PosixFolder>(path, *std::move(fd)));
}

Result<std::vector<FileInfo>> ListDescriptor(const std::string& path, Descriptor fd) {
  DIR* const handle = fdopendir(fd.get());
  if (handle == nullptr) return SystemError("list", path, errno);
  (void)fd.Release();  // the handle owns it now
  const std::unique_ptr<DIR, int (*)(DIR*)> closer(handle, closedir);
  std::vector<FileInfo> out;
  while (true) {
    errno = 0;
    const dirent* const entry = readdir(handle);
    if (entry == nullptr) {
      if (errno != 0) return SystemError("list", path, errno);
      break;
    }
    FileInfo info;
    info.name = entry->d_name;
    if (info.name == "." || info.name == "..") continue;
    struct stat found {};
    if (fstatat(dirfd(handle), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0) {
      info.size_bytes = static_cast<int64_t>(found.st_size);
      info.type = TypeOf(found.st_mode);
      info.modified_ms = int64_t{found.st_mtim.tv_sec} * 1000 + found.st_mtim.tv_nsec / 1'000'000;
      info.device = static_cast<int64_t>(found.st_dev);
    } else if (errno == ENOENT) {
      continue;  // gone meanwhile
    } else {
      info.type = TypeOfEntry(entry->d_type);  // one entry's fault is not the folder's
    }
    out.push_back(std::move(info));
  }
  std::sort(out.begin(), out.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return out;
}

}  // namespace kvlink

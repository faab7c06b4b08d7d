// FaultFiles (support/fault_files.h).
#include "support/fault_files.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace kvlink::testing {
namespace {

std::string FolderOf(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

}  // namespace

class FaultWritableFile : public WritableFile {
 public:
  FaultWritableFile(FaultFiles& files, std::string path, std::unique_ptr<WritableFile> real)
      : files_(files), path_(std::move(path)), real_(std::move(real)) {}

  Status Append(std::span<const std::byte> bytes) override {
    bool torn = false;
    const Status status = files_.Enter(FaultFiles::Kind::kNeedsSpace, "append", path_, &torn);
    if (torn) (void)real_->Append(bytes.first(bytes.size() / 2));
    return status.ok() ? real_->Append(bytes) : status;
  }
  Status Sync() override {
    const Status status = files_.Enter(FaultFiles::Kind::kOther, "sync", path_);
    if (status.ok()) files_.MarkSynced(path_);
    return status;
  }
  Status Close() override {
    const Status status = files_.Enter(FaultFiles::Kind::kOther, "close", path_);
    const Status closed = real_->Close();
    return status.ok() ? closed : status;
  }

 private:
  FaultFiles& files_;
  std::string path_;
  std::unique_ptr<WritableFile> real_;
};

class FaultFolder : public Folder {
 public:
  FaultFolder(FaultFiles& files, std::string path, std::unique_ptr<Folder> real)
      : files_(files), path_(std::move(path)), real_(std::move(real)) {}

  Result<std::vector<FileInfo>> List() override {
    KVLINK_RETURN_IF_ERROR(files_.Enter(FaultFiles::Kind::kRead, "list", path_));
    return real_->List();
  }
  Result<std::unique_ptr<Folder>> OpenFolder(const std::string& name) override {
    KVLINK_RETURN_IF_ERROR(files_.Enter(FaultFiles::Kind::kRead, "open folder", PathOf(name)));
    KVLINK_ASSIGN_OR_RETURN(auto folder, real_->OpenFolder(name));
    return std::unique_ptr<Folder>(
        std::make_unique<FaultFolder>(files_, PathOf(name), std::move(folder)));
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& name,
                                               FileAccess access) override {
    KVLINK_RETURN_IF_ERROR(files_.Enter(FaultFiles::Kind::kNeedsSpace, "create", PathOf(name)));
    KVLINK_ASSIGN_OR_RETURN(auto file, real_->Create(name, access));
    return files_.Created(PathOf(name), std::move(file));
  }
  Status Remove(const std::string& name) override {
    KVLINK_RETURN_IF_ERROR(files_.Enter(FaultFiles::Kind::kOther, "remove", PathOf(name)));
    const std::lock_guard lock(files_.mutex_);
    files_.unsynced_files_.erase(PathOf(name));
    return real_->Remove(name);
  }
  Status Rename(const std::string& from, Folder& to_folder, const std::string& to) override {
    KVLINK_RETURN_IF_ERROR(files_.Enter(FaultFiles::Kind::kOther, "rename", PathOf(from)));
    const Status status = real_->Rename(from, to_folder, to);
    if (status.ok()) {
      files_.MarkRenamed(PathOf(from), static_cast<FaultFolder&>(to_folder).PathOf(to));
    }
    return status;
  }
  Status Sync() override {
    KVLINK_RETURN_IF_ERROR(files_.Enter(FaultFiles::Kind::kOther, "sync folder", path_));
    files_.MarkFolderSynced(path_);
    return {};
  }
  int descriptor() const override { return real_->descriptor(); }

 private:
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }

  FaultFiles& files_;
  std::string path_;
  std::unique_ptr<Folder> real_;
};

void FaultFiles::Arm(Fault fault, int64_t n) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  countdown_ = n;
}

int64_t FaultFiles::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int64_t FaultFiles::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

void FaultFiles::DropSyncs(bool drop) {
  const std::lock_guard lock(mutex_);
  drop_syncs_ = drop;
}

Status FaultFiles::Enter(Kind kind, const char* call, const std::string& path, bool* torn) {
  const std::lock_guard lock(mutex_);
  ++calls_;
  if (fault_ == Fault::kNone || countdown_-- > 0) return {};
  const std::string what = std::string("fault: ") + call + " '" + path + "'";
  switch (fault_) {
    case Fault::kTorn:
      if (torn != nullptr) *torn = true;
      [[fallthrough]];
    case Fault::kOnce:
      fault_ = Fault::kNone;
      ++faults_;
      return Unavailable(what + ": I/O error");
    case Fault::kDiskFull:
      if (kind != Kind::kNeedsSpace) return {};
      if (torn != nullptr) *torn = true;
      ++faults_;
      return ResourceExhausted(what + ": no space left");
    case Fault::kDeath:
      ++faults_;
      return Unavailable(what + ": the process is dead");
    case Fault::kNone:
      break;
  }
  return {};
}

void FaultFiles::MarkSynced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!drop_syncs_) unsynced_files_.erase(path);
}

void FaultFiles::PowerCut() {
  const std::lock_guard lock(mutex_);
  fault_ = Fault::kNone;
  std::error_code ignored;
  // Contents first, under the names that the files have now.
  for (const std::string& path : unsynced_files_) {
    const auto size = std::filesystem::file_size(path, ignored);
    if (!ignored) std::filesystem::resize_file(path, size / 2, ignored);
  }
  for (auto name = unsynced_names_.rbegin(); name != unsynced_names_.rend(); ++name) {
    if (name->from.empty()) {
      std::filesystem::remove(name->to, ignored);
    } else {
      std::filesystem::rename(name->to, name->from, ignored);
    }
  }
  unsynced_files_.clear();
  unsynced_names_.clear();
}

Result<std::shared_ptr<const MappedFile>> FaultFiles::Map(const std::string& path) {
  if (Status status = Enter(Kind::kRead, "map", path); !status.ok()) return status;
  return real_.Map(path);
}

std::unique_ptr<WritableFile> FaultFiles::Created(const std::string& path,
                                                  std::unique_ptr<WritableFile> file) {
  {
    const std::lock_guard lock(mutex_);
    unsynced_files_.insert(path);
    unsynced_names_.push_back({"", path});
  }
  return std::make_unique<FaultWritableFile>(*this, path, std::move(file));
}

Result<std::unique_ptr<WritableFile>> FaultFiles::Create(const std::string& path,
                                                         FileAccess access) {
  if (Status status = Enter(Kind::kNeedsSpace, "create", path); !status.ok()) return status;
  KVLINK_ASSIGN_OR_RETURN(auto file, real_.Create(path, access));
  return Created(path, std::move(file));
}

Result<std::string> FaultFiles::Read(const std::string& path, int64_t max_bytes) {
  if (Status status = Enter(Kind::kRead, "read", path); !status.ok()) return status;
  return real_.Read(path, max_bytes);
}

void FaultFiles::MarkRenamed(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (unsynced_files_.erase(from) > 0) unsynced_files_.insert(to);
  unsynced_names_.push_back({from, to});
}

Status FaultFiles::Rename(const std::string& from, const std::string& to) {
  if (Status status = Enter(Kind::kOther, "rename", from); !status.ok()) return status;
  const Status status = real_.Rename(from, to);
  if (status.ok()) MarkRenamed(from, to);
  return status;
}

Status FaultFiles::Remove(const std::string& path) {
  if (Status status = Enter(Kind::kOther, "remove", path); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  unsynced_files_.erase(path);
  return real_.Remove(path);
}

Status FaultFiles::CreateDirectories(const std::string& path, FileAccess access) {
  if (Status status = Enter(Kind::kNeedsSpace, "create folder", path); !status.ok()) return status;
  return real_.CreateDirectories(path, access);
}

Status FaultFiles::SyncDirectory(const std::string& path) {
  if (Status status = Enter(Kind::kOther, "sync folder", path); !status.ok()) return status;
  MarkFolderSynced(path);
  return {};
}

void FaultFiles::MarkFolderSynced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (drop_syncs_) return;
  std::erase_if(unsynced_names_, [&](const Name& name) { return FolderOf(name.to) == path; });
}

Result<std::unique_ptr<Folder>> FaultFiles::OpenFolder(const std::string& path) {
  if (Status status = Enter(Kind::kRead, "open folder", path); !status.ok()) return status;
  KVLINK_ASSIGN_OR_RETURN(auto folder, real_.OpenFolder(path));
  return std::unique_ptr<Folder>(std::make_unique<FaultFolder>(*this, path, std::move(folder)));
}

Result<std::vector<FileInfo>> FaultFiles::List(const std::string& directory) {
  if (Status status = Enter(Kind::kRead, "list", directory); !status.ok()) return status;
  return real_.List(directory);
}

Result<FileInfo> FaultFiles::Stat(const std::string& path) {
  if (Status status = Enter(Kind::kRead, "stat", path); !status.ok()) return status;
  return real_.Stat(path);
}

Result<std::unique_ptr<FileLock>> FaultFiles::Lock(const std::string& path, int64_t timeout_ms) {
  if (Status status = Enter(Kind::kOther, "lock", path); !status.ok()) return status;
  return real_.Lock(path, timeout_ms);
}

}  // namespace kvlink::testing

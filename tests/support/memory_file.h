// A file system of one file in memory, whose bytes end where the heap block ends, so that a
// sanitizer sees a read past them. Writing is not its business.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"

namespace kvlink::testing {

class MemoryFile final : public FileSystem {
 public:
  explicit MemoryFile(std::string_view bytes)
      : size_(bytes.size()),
        bytes_(new std::byte[bytes.size()], std::default_delete<std::byte[]>()) {
    if (size_ > 0) std::memcpy(bytes_.get(), bytes.data(), size_);
  }

  Result<std::shared_ptr<const MappedFile>> Map(const std::string&) override {
    return std::shared_ptr<const MappedFile>(std::make_shared<Mapping>(bytes_, size_));
  }
  Result<std::string> Read(const std::string&, int64_t) override {
    return std::string(reinterpret_cast<const char*>(bytes_.get()), size_);
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string&, FileAccess) override {
    return No();
  }
  Status Rename(const std::string&, const std::string&) override { return No(); }
  Status Remove(const std::string&) override { return No(); }
  Status CreateDirectories(const std::string&, FileAccess) override { return No(); }
  Status SyncDirectory(const std::string&) override { return No(); }
  Result<std::unique_ptr<Folder>> OpenFolder(const std::string&) override { return No(); }
  Result<std::vector<FileInfo>> List(const std::string&) override { return No(); }
  Result<FileInfo> Stat(const std::string&) override { return No(); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string&, int64_t) override { return No(); }

 private:
  class Mapping final : public MappedFile {
   public:
    Mapping(std::shared_ptr<std::byte> bytes, size_t size)
        : bytes_(std::move(bytes)), size_(size) {}
    std::span<const std::byte> bytes() const override { return {bytes_.get(), size_}; }

   private:
    std::shared_ptr<std::byte> bytes_;
    size_t size_;
  };
  static Status No() { return Unsupported("a MemoryFile can only be read"); }

  size_t size_;
  std::shared_ptr<std::byte> bytes_;
};

}  // namespace kvlink::testing

// Mapped files over POSIX, and what happens where a mapped byte cannot be had.
//
// A file that is cut short while it is mapped, or whose disk fails, answers a read with SIGBUS. The
// handler here puts zeros in place of the rest of the mapping, marks it damaged and lets the read
// go on; whoever uses the mapping looks at damaged() before it believes what it computed. A fault
// at any other address goes to the handler that was there before. A host program that sets its own
// SIGBUS handler after its first mapping has to hand such faults on to this one.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "base/posix_descriptor.h"

namespace kvlink {
namespace {

// One mapping, as the handler may look at it: lock-free, never freed. `version` is odd while the
// slot changes hands. The thread that faults keeps its mapping alive, so that its slot stands
// still.
struct Slot {
  std::atomic<uint64_t> version{0};
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free);

constexpr size_t kSlotsPerChunk = 256;
struct Chunk {
  std::array<Slot, kSlotsPerChunk> slots;
  Chunk* next = nullptr;
};

std::atomic<Chunk*> chunks{nullptr};
std::atomic<uintptr_t> page_bytes{4096};
struct sigaction previous;  // written once, before the handler is there

// Only what is async-signal-safe on Linux: atomic loads and system calls.
bool CoverWithZeros(uintptr_t address) {
  for (Chunk* chunk = chunks.load(std::memory_order_acquire); chunk != nullptr;
       chunk = chunk->next) {
    for (Slot& slot : chunk->slots) {
      const uint64_t version = slot.version.load();
      if (version % 2 != 0) continue;
      const uintptr_t begin = slot.begin.load();
      const uintptr_t end = slot.end.load();
      if (slot.version.load() != version || address < begin || address >= end) continue;
      // Before the zeros are there, so that nobody sees them and no mark.
      slot.damaged.store(true);
      const uintptr_t page = address / page_bytes.load() * page_bytes.load();
      // The call itself: sanitizers' mmap is not made for handlers.
      const long mapped = syscall(SYS_mmap, page, end - page, PROT_READ,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      return mapped == static_cast<long>(page);
    }
  }
  return false;
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  if (CoverWithZeros(reinterpret_cast<uintptr_t>(info->si_addr))) {
    errno = error;
    return;
  }
  errno = error;
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    // Not ours: the same read faults again and ends the process, as it would have without us.
    sigaction(signal, &previous, nullptr);
  }
}

// Thread-safe.
class Registry {
 public:
  static Registry& Get() {
    static Registry* const registry = new Registry;  // outlives every mapping
    return *registry;
  }

  Slot* Add(const void* data, size_t size) {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      // Room for every slot there is, so that giving one back takes no memory.
      slots_ += kSlotsPerChunk;
      free_.reserve(slots_);
      auto* const chunk = new Chunk;
      for (Slot& slot : chunk->slots) free_.push_back(&slot);
      chunk->next = chunks.load();
      chunks.store(chunk, std::memory_order_release);
    }
    Slot* const slot = free_.back();
    free_.pop_back();
    Set(*slot, reinterpret_cast<uintptr_t>(data), reinterpret_cast<uintptr_t>(data) + size);
    return slot;
  }

  void Remove(Slot* slot) {
    const std::lock_guard lock(mutex_);
    Set(*slot, 0, 0);
    free_.push_back(slot);
  }

 private:
  Registry() {
    page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = OnBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, nullptr, &previous);
    sigaction(SIGBUS, &action, nullptr);
  }

  static void Set(Slot& slot, uintptr_t begin, uintptr_t end) {
    slot.version.fetch_add(1);
    slot.begin = begin;
    slot.end = end;
    slot.damaged = false;
    slot.version.fetch_add(1);
  }

  std::mutex mutex_;
  size_t slots_ = 0;
  std::vector<Slot*> free_;
};

// What tells one state of a file from another.
struct FileState {
  dev_t device;
  ino_t inode;
  off_t size;
  timespec modified;

  explicit FileState(const struct stat& info)
      : device(info.st_dev), inode(info.st_ino), size(info.st_size), modified(info.st_mtim) {}
  bool SameFile(const FileState& other) const {
    return device == other.device && inode == other.inode;
  }
  bool SameBytes(const FileState& other) const {
    return size == other.size && modified.tv_sec == other.modified.tv_sec &&
           modified.tv_nsec == other.modified.tv_nsec;
  }
};

FileIdentity IdentityOf(const struct stat& info) {
  constexpr int64_t kSecond = 1'000'000'000;
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size_bytes = info.st_size,
          .modified_ns = info.st_mtim.tv_sec * kSecond + info.st_mtim.tv_nsec,
          .changed_ns = info.st_ctim.tv_sec * kSecond + info.st_ctim.tv_nsec,
          .is_ours_alone = info.st_uid == geteuid() && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0};
}

class PosixMapping : public MappedFile {
 public:
  // Maps nothing yet: what takes memory comes before there is a mapping to lose.
  PosixMapping(std::string path, const struct stat& info)
      : path_(std::move(path)),
        state_(info),
        identity_(IdentityOf(info)),
        size_(static_cast<size_t>(info.st_size)) {}
  ~PosixMapping() override {
    if (slot_ != nullptr) Registry::Get().Remove(slot_);
    if (data_ != nullptr) munmap(data_, size_);
  }
  // Called once, before anything else.
  Status Map(const Descriptor& fd) {
    if (size_ == 0) return {};
    void* const data = mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (data == MAP_FAILED) return SystemError("map", path_, errno);
    data_ = data;
    slot_ = Registry::Get().Add(data_, size_);
    return {};
  }
  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(data_), size_};
  }
  void Release() const override {
    if (size_ > 0) madvise(data_, size_, MADV_DONTNEED);  // a hint: a failure costs memory only
  }
  bool damaged() const override { return slot_ != nullptr && slot_->damaged.load(); }
  Status CheckUnchanged() const override {
    struct stat info {};
    if (damaged()) {
      return DataLoss("'" + path_ + "' was cut short or could not be read while it was in use");
    }
    if (stat(path_.c_str(), &info) != 0) return {};
    const FileState now(info);
    if (!now.SameFile(state_) || now.SameBytes(state_)) return {};
    return DataLoss("'" + path_ + "' was written to while it was in use");
  }
  std::optional<FileIdentity> identity() const override { return identity_; }

 private:
  const std::string path_;
  const FileState state_;
  const FileIdentity identity_;
  const size_t size_;
  void* data_ = nullptr;
  Slot* slot_ = nullptr;
};

}  // namespace

Result<std::shared_ptr<const MappedFile>> MapDescriptor(const std::string& path,
                                                        const Descriptor& fd) {
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return SystemError("stat", path, errno);
  const auto mapping = std::make_shared<PosixMapping>(path, info);
  KVLINK_RETURN_IF_ERROR(mapping->Map(fd));
  return std::shared_ptr<const MappedFile>(mapping);
}

}  // namespace kvlink

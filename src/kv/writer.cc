#include "kv/writer.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/guarded.h"

namespace kvlink::kv {

BlockWriter::~BlockWriter() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  added_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void BlockWriter::Put(std::shared_ptr<const Block> block, bool pinned, PutDone done) {
  const auto size = static_cast<int64_t>(block->image().size());
  {
    std::unique_lock lock(mutex_);
    removed_.wait(lock, [&] { return jobs_.empty() || bytes_ + size <= budget_bytes_; });
    try {
      if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
      jobs_.push_back({block, pinned, done});
      bytes_ += size;
      ++added_jobs_;
    } catch (const std::system_error&) {  // no thread can be had: the caller writes
      lock.unlock();
      Write({std::move(block), pinned, std::move(done)});
      return;
    }
  }
  added_.notify_one();
}

void BlockWriter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    added_.wait(lock, [&] { return ends_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job& job = jobs_.front();  // a deque's elements stay where they are
    lock.unlock();
    Write(job);
    lock.lock();
    bytes_ -= static_cast<int64_t>(job.block->image().size());
    jobs_.pop_front();
    ++removed_jobs_;
    removed_.notify_all();
  }
}

void BlockWriter::Write(const Job& job) {
  const Status status = Guarded("there is not enough memory to keep a block",
                                [&] { return below_.Put(job.block, job.pinned); });
  // What it throws may not leave the thread, and there is nobody to tell.
  (void)Guarded("", [&] {
    job.done(status);
    return Status();
  });
}

std::shared_ptr<const Block> BlockWriter::Find(const BlockId& id) const {
  const std::lock_guard lock(mutex_);
  const auto job = std::find_if(jobs_.begin(), jobs_.end(),
                                [&](const Job& j) { return j.block->identity().id == id; });
  return job == jobs_.end() ? nullptr : job->block;
}

void BlockWriter::Flush() {
  std::unique_lock lock(mutex_);
  const int64_t before = added_jobs_;
  removed_.wait(lock, [&] { return removed_jobs_ >= before; });
}

int64_t BlockWriter::queued_blocks() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(jobs_.size());
}

int64_t BlockWriter::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace kvlink::kv

#include "engine/events.h"

#include <utility>

namespace kvlink::engine {

void EventQueue::Put(Item item) {
  {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
  }
  filled_.notify_one();
}

EventQueue::Item EventQueue::Take() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [this] { return closed_ || !items_.empty(); });
  if (items_.empty()) return {};
  Item item = std::move(items_.front());
  items_.pop_front();
  return item;
}

std::optional<EventQueue::Item> EventQueue::Take(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (!filled_.wait_for(lock, patience, [this] { return !items_.empty(); })) return std::nullopt;
  Item item = std::move(items_.front());
  items_.pop_front();
  return item;
}

void EventQueue::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_all();
}

EventThread::EventThread()
    : thread_([this] {
        while (true) {
          const EventQueue::Item item = queue_->Take();
          if (item.handler == nullptr) return;
          (*item.handler)(item.event);
        }
      }) {}

EventThread::~EventThread() {
  queue_->Close();
  thread_.join();
}

}  // namespace kvlink::engine

// Events on their way to whoever asked: the engine's thread puts them down and goes on, another
// thread hands them over, so that a handler may take its time and call the engine.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "kvlink/engine.h"

namespace kvlink::engine {

// Thread-safe. What is put in comes out in that order.
class EventQueue {
 public:
  struct Item {
    std::shared_ptr<const EventHandler> handler;
    Event event;
  };
  void Put(Item item);
  Item Take();                                                   // waits for one
  std::optional<Item> Take(std::chrono::milliseconds patience);  // nothing: none came
  // No more comes: Take gives an item without a handler once the queue is empty.
  void Close();

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Item> items_;
  bool closed_ = false;
};

// A thread that calls handlers. Its end delivers what is there.
class EventThread {
 public:
  EventThread();
  ~EventThread();
  const std::shared_ptr<EventQueue>& queue() { return queue_; }

 private:
  const std::shared_ptr<EventQueue> queue_ = std::make_shared<EventQueue>();
  std::thread thread_;
};

}  // namespace kvlink::engine

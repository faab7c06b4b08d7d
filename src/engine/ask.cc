// Submit, and Ask on top of it.
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "base/guarded.h"
#include "engine/engine_impl.h"

namespace kvlink::engine {
namespace {

constexpr std::chrono::milliseconds kAskAgain{20};

// What a sink that stopped an answer was shown of it.
void CutTo(size_t text_bytes, size_t tokens, Answer* answer) {
  answer->text.resize(std::min(answer->text.size(), text_bytes));
  answer->generated.resize(std::min(answer->generated.size(), tokens));
  answer->usage.completion_tokens = static_cast<int64_t>(answer->generated.size());
  answer->finish_reason = FinishReason::kCancelled;
}

}  // namespace

Result<RequestId> EngineImpl::Start(Request request, std::shared_ptr<const EventHandler> handler,
                                    std::shared_ptr<EventQueue> queue) {
  return Guarded(kNoMemoryForPrompt, [&]() -> Result<RequestId> {
    KVLINK_ASSIGN_OR_RETURN(
        std::unique_ptr<Generation> generation,
        Generation::Create(parts(), std::move(request), [handler, queue](Event event) {
          if (*handler) queue->Put({handler, std::move(event)});
        }));
    return loop_->Add(std::move(generation));
  });
}

Result<RequestId> EngineImpl::Submit(Request request, EventHandler events) {
  warnings_->PassOn(warn_);
  return Start(std::move(request), std::make_shared<const EventHandler>(std::move(events)),
               events_.queue());
}

Result<Answer> EngineImpl::Ask(const Request& request, const TextSink& sink) {
  const auto queue = std::make_shared<EventQueue>();
  // Events are taken out here, on the caller's thread; the handler only says that there is one.
  KVLINK_ASSIGN_OR_RETURN(
      const RequestId id,
      Start(request, std::make_shared<const EventHandler>([](const Event&) {}), queue));
  size_t shown = 0, tokens = 0;
  bool stopped = false;
  while (true) {
    std::optional<EventQueue::Item> item = queue->Take(kAskAgain);
    const bool asks = sink && !stopped;  // whether to go on, where there is nothing to show
    if (!item) {
      if (asks && !sink("")) Cancel(id), stopped = true;
      continue;
    }
    Event& event = item->event;
    if (event.kind == Event::Kind::kDone) {
      Result<Answer> answer = *std::move(event.answer);
      if (stopped && answer.ok()) CutTo(shown, tokens, &*answer);
      warnings_->PassOn(warn_);
      return answer;
    }
    if (stopped || event.kind != Event::Kind::kToken || event.choice != 0) continue;
    shown += event.text.size();
    tokens += event.token.has_value();
    if (sink && !event.text.empty() && !sink(event.text)) Cancel(id), stopped = true;
  }
}

}  // namespace kvlink::engine

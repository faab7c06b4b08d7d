// A request on its way through the engine. Private to the room.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/engine_impl.h"
#include "link/method.h"

namespace kvlink {

struct EngineImpl::Prompt {
  Method method;
  std::vector<std::vector<int32_t>> documents;  // tokens of those that stay, in order
  std::vector<size_t> places;                   // their index in the request
  std::vector<int32_t> gold;                    // tokens of Request::gold and of an answer's end
  int64_t answer_tokens = 0;                    // room behind the prompt
  LinkPlan plan;
  LinkedPrompt linked;
  struct Put {                    // of a block that was computed for this request
    std::optional<size_t> place;  // its document's in the request; none: the head
    IndexedBlock block;
  };
  std::vector<Put> puts;
  bool block_changed = false;  // CheckBlocks found one: what was computed from it is void
  std::vector<bool>
      computed;  // [plan.tokens] for this request: not read from a block that was there
};

}  // namespace kvlink

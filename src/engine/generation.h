// One request on its way to an answer, as a value that survives a step: its prompt, what of it is
// computed, the answers being written. Private to the room. Not here: who is computed when
// (schedule.h), and the passes (loop.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/prompt.h"
#include "engine/writing.h"
#include "kvlink/engine.h"

namespace kvlink::engine {

// One owner, one thread.
class Generation {
 public:
  using Emit = std::function<void(Event)>;

  // Renders, plans, and looks for blocks. Errors: as Engine::Submit.
  static Result<std::unique_ptr<Generation>> Create(const EngineParts& parts, Request request,
                                                    Emit emit);

  RequestId id = 0;  // the loop's
  const Request& request() const { return request_; }
  // Bytes of KV that it will own.
  int64_t kv_bytes() const;
  bool is_past_deadline() const;

  // Blocks that are still missing: indices into plan().blocks.
  const std::vector<size_t>& missing() const { return missing_; }
  const Prompt& prompt() const { return prompt_; }
  void PutBlock(size_t index, const link::IndexedBlock& made);

  // No block is missing: makes it ready for its first pass. Runs the model if the method computes
  // documents' tokens again.
  Status Start();
  bool started() const { return started_; }

  // Prompt tokens that are to be computed; 0 once answers are being written.
  int64_t prompt_left() const { return prompt_size() - computed_; }
  int64_t prompt_size() const;
  std::span<Writing> writings() { return writings_; }

  // The prompt's next `count` tokens, with the last one's logits if they end it; valid until the
  // next call. REQUIRES: started, 0 < count <= prompt_left().
  model::Sequence NextOfPrompt(int64_t count);
  Status AcceptPrompt(int64_t count);
  // The last token of writings()[i], and what came of it.
  model::Sequence NextOf(size_t i);
  Status Accept(size_t i);

  // A block changed under it: everything is made anew, and nothing is told of twice. kDataLoss: for
  // the third time.
  Status Restart(const Status& why);

  bool done() const;
  // Done, and the store has said whether it took its blocks.
  bool is_settled() const { return IsSettled(prompt_); }
  // Ends all answers that are not done.
  void End(FinishReason reason);
  // The answer, told of as kDone. `status`: why there is none. At most once.
  void Finish(const Status& status);

 private:
  Generation(const EngineParts& parts, Request request, Emit emit)
      : parts_(parts), request_(std::move(request)), emit_(std::move(emit)) {}
  Status Prepare();
  Status BeginWriting();
  Status ScoreGold();
  void Tell(size_t choice, Event event);
  model::Sequence OfPrompt() const;

  EngineParts parts_;
  Request request_;
  Emit emit_;
  double submitted_ms_ = 0, blocks_found_ms_ = 0, pass_started_ms_ = 0;
  int restarts_ = 0;

  Prompt prompt_;
  Answer answer_;
  std::vector<size_t> missing_;
  int64_t to_encode_ = 0;
  bool started_ = false;
  std::optional<model::Tail> tail_;  // the prompt's, until answers are written
  int64_t computed_ = 0;
  int32_t last_row_ = 0;
  std::vector<std::vector<float>> logits_;   // [choices][V]
  std::vector<Writing> writings_;            // [n] once the prompt is computed
  std::vector<std::vector<int32_t>> known_;  // [n] told of before the last start
};

}  // namespace kvlink::engine

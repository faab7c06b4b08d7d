// One answer being written: the tail behind the prompt, the sampler, the text so far. A request has
// n of them. Private to the room. Not here: the prompt's own passes (generation.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "engine/text_stream.h"
#include "kvlink/engine.h"
#include "model/sequence.h"
#include "text/tokenizer.h"

namespace kvlink::engine {

// One owner, one thread.
class Writing {
 public:
  // tail: holds the prompt, whose last token stands at `position`, with room for max_tokens more.
  // `known`: tokens that were told of before the answer was started again.
  Writing(model::Tail tail, Sampler sampler, std::vector<std::string> stops, int32_t position,
          std::vector<int32_t> known, Choice choice);

  bool done() const { return done_; }
  const Choice& choice() const { return choice_; }
  model::Tail& tail() { return tail_; }
  const Sampler& sampler() const { return sampler_; }
  std::vector<int32_t> TakeKnown() const;  // ids of all tokens so far

  // The last token, to be computed, into what its prompt's sequences are like. Valid until the next
  // call. REQUIRES: a token, and not done.
  void Next(model::Sequence* sequence);

  // What follows: `logits` [V] of the last token. Fills in `event` (kToken); false: there is
  // nothing to tell. kDataLoss: no finite number; or the answer was started again and another
  // token came than the one that was told of.
  Result<bool> Accept(std::span<const float> logits, const text::Tokenizer& tokenizer,
                      const Request& request, Event* event);
  // Ends it here; what text is left is told of. False: none is.
  bool End(FinishReason reason, Event* event);

 private:
  model::Tail tail_;
  Sampler sampler_;
  TextStream stream_;
  Choice choice_;
  std::vector<int32_t> known_;
  int32_t token_ = 0, position_ = 0;
  bool done_ = false;
};

}  // namespace kvlink::engine

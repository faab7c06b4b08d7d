#include "engine/writing.h"

#include <utility>

namespace kvlink::engine {

Writing::Writing(model::Tail tail, Sampler sampler, std::vector<std::string> stops,
                 int32_t position, std::vector<int32_t> known, Choice choice)
    : tail_(std::move(tail)),
      sampler_(std::move(sampler)),
      stream_(std::move(stops)),
      choice_(std::move(choice)),
      known_(std::move(known)),
      position_(position) {}

std::vector<int32_t> Writing::TakeKnown() const {
  std::vector<int32_t> ids;
  for (const GeneratedToken& token : choice_.generated) ids.push_back(token.id);
  return ids.size() < known_.size() ? known_ : ids;
}

void Writing::Next(model::Sequence* sequence) {
  sequence->tokens = {&token_, 1};
  sequence->positions = {&position_, 1};
  sequence->tail = &tail_;
  sequence->generated = true;
}

bool Writing::End(FinishReason reason, Event* event) {
  done_ = true;
  choice_.finish_reason = reason;
  event->text = stream_.Flush();
  choice_.text = stream_.text();
  return !event->text.empty();
}

Result<bool> Writing::Accept(std::span<const float> logits, const text::Tokenizer& tokenizer,
                             const Request& request, Event* event) {
  KVLINK_ASSIGN_OR_RETURN(SampledToken next, sampler_.Next(logits, request.top_logprobs));
  const size_t index = choice_.generated.size();
  if (index < known_.size() && known_[index] != next.id) {
    return DataLoss(
        "a block's file changed while the answer was being written, and the answer cannot be taken "
        "up again; what was written is not to be relied on: ask again");
  }
  if (!request.ignore_end && tokenizer.EndsGeneration(next.id))
    return End(FinishReason::kStop, event);
  token_ = next.id;
  ++position_;
  const std::string_view bytes = tokenizer.TokenBytes(token_);
  for (TokenChoice& top : next.top) top.text = tokenizer.TokenBytes(top.id);
  choice_.generated.push_back({token_, std::string(bytes), next.logprob, std::move(next.top)});
  std::string shown = stream_.Add(bytes);
  if (stream_.stopped()) {
    (void)End(FinishReason::kStop, event);
  } else if (static_cast<int64_t>(choice_.generated.size()) == request.max_tokens) {
    (void)End(FinishReason::kLength, event);
  }
  event->text = std::move(shown) + event->text;
  if (index < known_.size()) return false;  // it was told of before
  event->token = choice_.generated.back();
  return true;
}

}  // namespace kvlink::engine

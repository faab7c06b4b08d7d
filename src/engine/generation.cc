#include "engine/generation.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string>
#include <utility>

#include "base/file.h"
#include "tensor/log_sum_exp.h"

namespace kvlink::engine {
namespace {

constexpr int kMostRestarts = 2;  // of one answer, after blocks' files changed under it

float LogProbability(std::span<const float> logits, int32_t id) {
  return static_cast<float>(logits[static_cast<size_t>(id)] - tensor::LogSumExp(logits));
}

// Up to 2^53 - 1: every reader of JSON has the number as it is.
uint64_t DrawSeed() {
  const std::string digits = RandomName();
  uint64_t seed = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), seed, 16);
  return seed >> 11;
}

}  // namespace

Result<std::unique_ptr<Generation>> Generation::Create(const EngineParts& parts, Request request,
                                                       Emit emit) {
  // Drawn once: an answer that is started again draws the same tokens.
  if (request.sampling.temperature > 0 && !request.sampling.seed) {
    request.sampling.seed = DrawSeed();
  }
  std::unique_ptr<Generation> made(new Generation(parts, std::move(request), std::move(emit)));
  made->submitted_ms_ = parts.clock->MonotonicMs();
  // Refused before anything is encoded for it.
  KVLINK_RETURN_IF_ERROR(
      Sampler::Create(made->request_.sampling, parts.model->model().config().vocab).status());
  made->known_.resize(static_cast<size_t>(std::max(made->request_.n, 1)));
  KVLINK_RETURN_IF_ERROR(made->Prepare());
  return made;
}

Status Generation::Prepare() {
  answer_ = Answer();
  KVLINK_ASSIGN_OR_RETURN(prompt_, MakePrompt(parts_, request_, &answer_));
  missing_ = FindBlocks(parts_, &prompt_, &answer_);
  to_encode_ = static_cast<int64_t>(missing_.size());
  blocks_found_ms_ = parts_.clock->MonotonicMs();
  answer_.timings.load_ms = blocks_found_ms_ - submitted_ms_;
  return {};
}

int64_t Generation::prompt_size() const {
  return static_cast<int64_t>(started_ ? prompt_.linked.tokens.size()
                                       : prompt_.plan.computed.size());
}

int64_t Generation::kv_bytes() const {
  const int64_t prompt = prompt_size(), n = request_.n;
  return (prompt + prompt_.answer_tokens) * n * parts_.summary->kv_bytes_per_token;
}

bool Generation::is_past_deadline() const {
  return request_.deadline_ms > 0 &&
         parts_.clock->MonotonicMs() - submitted_ms_ > static_cast<double>(request_.deadline_ms);
}

void Generation::PutBlock(size_t index, const link::IndexedBlock& made) {
  const bool preamble = prompt_.plan.blocks[index].document < 0;
  engine::PutBlock(index, made, &prompt_, &answer_);
  std::erase(missing_, index);
  if (preamble) return;
  Event event;
  event.kind = Event::Kind::kProgress;
  event.documents_to_encode = to_encode_;
  event.documents_encoded = to_encode_ - static_cast<int64_t>(missing_.size());
  event.request = id;
  emit_(std::move(event));
}

Status Generation::Start() {
  if (to_encode_ > 0) answer_.timings.encode_ms = parts_.clock->MonotonicMs() - blocks_found_ms_;
  KVLINK_RETURN_IF_ERROR(LinkBlocks(parts_, &prompt_, &answer_));
  started_ = true;
  computed_ = 0;
  const model::ModelConfig& c = parts_.model->model().config();
  KVLINK_ASSIGN_OR_RETURN(tail_, model::Tail::Create(c.layers, c.kv_heads, c.head_dim,
                                                     prompt_size() + prompt_.answer_tokens,
                                                     parts_.model->model().kv_dtype()));
  logits_.assign(static_cast<size_t>(request_.n), {});
  logits_[0].resize(static_cast<size_t>(c.vocab));
  pass_started_ms_ = parts_.clock->MonotonicMs();
  return {};
}

model::Sequence Generation::OfPrompt() const {
  model::Sequence sequence;
  sequence.embeddings = parts_.model->embeddings();
  sequence.segments = prompt_.linked.segments;
  sequence.ape = prompt_.rules.ape;
  sequence.adapter = parts_.AdapterOf(prompt_.rules);
  return sequence;
}

model::Sequence Generation::NextOfPrompt(int64_t count) {
  const auto begin = static_cast<size_t>(computed_), size = static_cast<size_t>(count);
  model::Sequence sequence = OfPrompt();
  sequence.tokens = std::span(prompt_.linked.tokens).subspan(begin, size);
  sequence.positions = std::span(prompt_.linked.positions).subspan(begin, size);
  sequence.in_document = std::span(prompt_.linked.in_document).subspan(begin, size);
  sequence.tail = &*tail_;
  if (count == prompt_left()) {
    last_row_ = static_cast<int32_t>(count) - 1;
    sequence.logit_rows = {&last_row_, 1};
    sequence.logits = logits_[0].data();
  }
  return sequence;
}

Status Generation::AcceptPrompt(int64_t count) {
  computed_ += count;
  if (prompt_left() > 0) return {};
  const double now = parts_.clock->MonotonicMs();
  answer_.timings.prefill_ms += now - pass_started_ms_;
  answer_.timings.ttft_ms = now - submitted_ms_;
  if (!prompt_.gold.empty()) {
    answer_.gold_logprobs.push_back(LogProbability(logits_[0], prompt_.gold.front()));
  }
  return BeginWriting();
}

// Each answer gets a tail of its own behind the same prompt, and its first token.
Status Generation::BeginWriting() {
  const auto n = static_cast<size_t>(request_.n);
  std::vector<std::string> stops;
  if (!request_.ignore_end) stops = parts_.model->prompt_template().stop;
  stops.insert(stops.end(), request_.stop.begin(), request_.stop.end());
  const int32_t position = prompt_.plan.tokens.back().position;
  writings_.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    Sampling sampling = request_.sampling;
    Choice choice;
    if (sampling.temperature > 0) {
      sampling.seed = *sampling.seed + i;
      choice.seed = sampling.seed;
    }
    KVLINK_ASSIGN_OR_RETURN(Sampler sampler,
                            Sampler::Create(sampling, parts_.model->model().config().vocab));
    for (const link::PlannedToken& t : prompt_.plan.tokens) sampler.AddHistory({&t.id, 1});
    std::optional<model::Tail> tail;
    if (i + 1 < n) {
      KVLINK_ASSIGN_OR_RETURN(tail, tail_->Clone());
    }
    writings_.emplace_back(i + 1 < n ? *std::move(tail) : *std::move(tail_), std::move(sampler),
                           stops, position, known_[i], std::move(choice));
  }
  tail_.reset();
  for (size_t i = 1; i < n; ++i) logits_[i] = logits_[0];
  for (size_t i = 0; i < n; ++i) {
    if (request_.max_tokens > 0) {
      KVLINK_RETURN_IF_ERROR(Accept(i));
    } else {
      Event event;
      (void)writings_[i].End(FinishReason::kLength, &event);
    }
  }
  return {};
}

model::Sequence Generation::NextOf(size_t i) {
  model::Sequence sequence = OfPrompt();
  writings_[i].Next(&sequence);
  static constexpr int32_t kOnlyRow = 0;
  sequence.logit_rows = {&kOnlyRow, 1};
  sequence.logits = logits_[i].data();
  return sequence;
}

void Generation::Tell(size_t choice, Event event) {
  event.kind = Event::Kind::kToken;
  event.request = id;
  event.choice = static_cast<int32_t>(choice);
  emit_(std::move(event));
}

Status Generation::Accept(size_t i) {
  Event event;
  KVLINK_ASSIGN_OR_RETURN(
      const bool tell,
      writings_[i].Accept(logits_[i], parts_.model->model().tokenizer(), request_, &event));
  if (tell) Tell(i, std::move(event));
  return {};
}

Status Generation::Restart(const Status& why) {
  if (restarts_++ == kMostRestarts) {
    return DataLoss(why.message() +
                    ", again and again; find out what writes to the store's files, and ask again");
  }
  for (size_t i = 0; i < writings_.size(); ++i) known_[i] = writings_[i].TakeKnown();
  writings_.clear();
  tail_.reset();
  started_ = false;
  computed_ = 0;
  return Prepare();
}

bool Generation::done() const {
  return !writings_.empty() && std::all_of(writings_.begin(), writings_.end(),
                                           [](const Writing& writing) { return writing.done(); });
}

void Generation::End(FinishReason reason) {
  for (size_t i = 0; i < writings_.size(); ++i) {
    if (writings_[i].done()) continue;
    Event event;
    if (writings_[i].End(reason, &event)) Tell(i, std::move(event));
  }
  if (writings_.empty()) answer_.finish_reason = reason;
}

// The gold answer's tokens after the first, teacher-forced in one pass behind the prompt.
Status Generation::ScoreGold() {
  if (prompt_.gold.size() < 2 || writings_.empty()) return {};
  const int64_t vocab = parts_.model->model().config().vocab;
  const size_t count = prompt_.gold.size() - 1;  // the last token predicts nothing
  std::vector<int32_t> positions(count), rows(count);
  std::iota(positions.begin(), positions.end(), prompt_.plan.tokens.back().position + 1);
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> logits(count * static_cast<size_t>(vocab));
  model::Tail& tail = writings_[0].tail();
  tail.Truncate(prompt_size());
  model::Sequence sequence = OfPrompt();
  sequence.tokens = std::span(prompt_.gold).first(count);
  sequence.positions = positions;
  sequence.tail = &tail;
  sequence.logit_rows = rows;
  sequence.logits = logits.data();
  KVLINK_RETURN_IF_ERROR(parts_.model->model().Forward({&sequence, 1}));
  KVLINK_RETURN_IF_ERROR(CheckBlocks(prompt_));
  for (size_t i = 0; i < count; ++i) {
    answer_.gold_logprobs.push_back(
        LogProbability(std::span(logits).subspan(i * vocab, vocab), prompt_.gold[i + 1]));
  }
  return {};
}

void Generation::Finish(const Status& status) {
  if (!emit_) return;
  Event event;
  event.kind = Event::Kind::kDone;
  event.request = id;
  const double now = parts_.clock->MonotonicMs();
  for (size_t i = 0; i < writings_.size(); ++i) {
    const Choice& choice = writings_[i].choice();
    answer_.usage.completion_tokens += static_cast<int64_t>(choice.generated.size());
    answer_.kv_own_bytes += writings_[i].tail().size() * parts_.summary->kv_bytes_per_token;
    (i == 0 ? static_cast<Choice&>(answer_) : answer_.others.emplace_back()) = choice;
  }
  Status scored = status.ok() ? ScoreGold() : status;
  if (!scored.ok()) {
    event.answer = std::move(scored);
  } else {
    answer_.kv_bytes += answer_.kv_own_bytes;
    NotePuts(prompt_, &answer_);
    answer_.timings.decode_ms =
        writings_.empty() ? 0 : now - submitted_ms_ - answer_.timings.ttft_ms;
    if (restarts_ > 0) {
      answer_.warnings.push_back(
          "a block's file changed while it was in use: its document was computed again and the "
          "answer started again");
    }
    if (request_.want_prompt) {
      for (size_t i = 0; i < prompt_.plan.tokens.size(); ++i) {
        const link::PlannedToken& t = prompt_.plan.tokens[i];
        answer_.prompt.push_back(
            {std::max(t.id, -1), t.position, t.segment, t.source, prompt_.computed[i]});
      }
    }
    event.answer = std::move(answer_);
  }
  std::exchange(emit_, {})(std::move(event));
}

}  // namespace kvlink::engine

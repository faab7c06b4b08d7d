// One answer: one pass over what is not in a block, then a token a step. What comes before, plan
// and blocks: prepare.cc.
#include <algorithm>
#include <charconv>
#include <numeric>

#include "base/check.h"
#include "base/file.h"
#include "base/guarded.h"
#include "engine/prompt.h"
#include "engine/sampler.h"
#include "engine/text_replay.h"
#include "engine/text_stream.h"
#include "tensor/log_sum_exp.h"

namespace kvlink {
namespace {

constexpr int kMostRestarts = 2;  // of one answer, after blocks' files changed under it

float LogProbability(std::span<const float> logits, int32_t id) {
  KVLINK_CHECK(id >= 0 && static_cast<size_t>(id) < logits.size());
  return static_cast<float>(logits[id] - LogSumExp(logits));
}

// Up to 2^53 - 1: every reader of JSON has the number as it is.
uint64_t DrawSeed() {
  const std::string digits = RandomName();
  uint64_t seed = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), seed, 16);
  return seed >> 11;
}

}  // namespace

Status EngineImpl::Generate(const Request& request, Prompt* prompt, const TextSink& sink,
                            double start_ms, Answer* answer) {
  Model& model = model_->model();
  const ModelConfig& c = model.config();
  const Tokenizer& tokenizer = model.tokenizer();
  if (request.sampling.temperature > 0) answer->seed = request.sampling.seed;
  KVLINK_ASSIGN_OR_RETURN(Sampler sampler, Sampler::Create(request.sampling, c.vocab));
  for (const PlannedToken& t : prompt->plan.tokens) sampler.AddHistory({&t.id, 1});
  const int64_t computed = static_cast<int64_t>(prompt->linked.tokens.size());
  KVLINK_ASSIGN_OR_RETURN(
      Tail tail, Tail::Create(c.layers, c.kv_heads, c.head_dim, computed + prompt->answer_tokens,
                              model.kv_dtype()));
  std::vector<float> logits(static_cast<size_t>(c.vocab));
  TextStream stream(model_->prompt_template().stop);

  Sequence sequence;
  sequence.tokens = prompt->linked.tokens;
  sequence.embeddings = model_->embeddings();
  sequence.positions = prompt->linked.positions;
  sequence.documents = prompt->linked.documents;
  sequence.context = prompt->linked.segments;
  sequence.temperature = prompt->method.temperature;
  sequence.scale = prompt->method.scale;
  sequence.tail = &tail;
  sequence.adapter = AdapterOf(prompt->method);
  const int32_t last_row = static_cast<int32_t>(computed) - 1;
  sequence.logit_rows = {&last_row, 1};
  sequence.logits = logits.data();
  double step_started = clock_.MonotonicMs();
  KVLINK_RETURN_IF_ERROR(Forward(&sequence, prompt));
  answer->timings.prefill_ms += clock_.MonotonicMs() - step_started;
  if (!prompt->gold.empty()) {
    answer->gold_logprobs.push_back(LogProbability(logits, prompt->gold.front()));
  }

  sequence.documents = {};  // an answer's tokens are outside documents
  int32_t position = prompt->plan.tokens.back().position;
  int32_t token = 0;
  const int32_t only_row = 0;
  answer->finish_reason = "length";
  for (int32_t step = 0; step < request.max_tokens; ++step) {
    if (step > 0) {
      ++position;
      sequence.generated = true;
      sequence.tokens = {&token, 1};
      sequence.positions = {&position, 1};
      sequence.logit_rows = {&only_row, 1};
      KVLINK_RETURN_IF_ERROR(Forward(&sequence, prompt));
    }
    KVLINK_ASSIGN_OR_RETURN(SampledToken next, sampler.Next(logits, request.top_logprobs));
    if (step == 0) answer->timings.ttft_ms = clock_.MonotonicMs() - start_ms;
    token = next.id;
    if (tokenizer.EndsGeneration(token)) {
      answer->finish_reason = "stop";
      break;
    }
    const std::string_view bytes = tokenizer.TokenBytes(token);
    for (TokenChoice& choice : next.top) choice.text = tokenizer.TokenBytes(choice.id);
    answer->generated.push_back({token, std::string(bytes), next.logprob, std::move(next.top)});
    const std::string shown = stream.Add(bytes);
    if (sink && !shown.empty() && !sink(shown)) {
      answer->finish_reason = "cancelled";
      break;
    }
    if (stream.stopped()) {
      answer->finish_reason = "stop";
      break;
    }
  }
  const std::string rest = stream.Flush();
  if (sink && !rest.empty() && answer->finish_reason != "cancelled") sink(rest);
  if (request.max_tokens == 0) answer->timings.ttft_ms = clock_.MonotonicMs() - start_ms;
  answer->timings.decode_ms = clock_.MonotonicMs() - start_ms - answer->timings.ttft_ms;
  answer->text = stream.text();
  answer->usage.completion_tokens = static_cast<int64_t>(answer->generated.size());
  answer->kv_own_bytes = tail.size() * summary_.kv_bytes_per_token;
  answer->kv_bytes += answer->kv_own_bytes;
  tail.Truncate(computed);
  return ScoreGold(prompt, &sequence, answer);
}

// The gold answer's tokens after the first, teacher-forced in one pass behind the prompt, which is
// all that the sequence's tail holds.
Status EngineImpl::ScoreGold(Prompt* prompt, Sequence* sequence, Answer* answer) {
  if (prompt->gold.size() < 2) return {};
  const int64_t vocab = model_->model().config().vocab;
  const size_t count = prompt->gold.size() - 1;  // the last token predicts nothing
  std::vector<int32_t> positions(count), rows(count);
  std::iota(positions.begin(), positions.end(), prompt->plan.tokens.back().position + 1);
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> logits(count * vocab);
  sequence->generated = false;
  sequence->tokens = std::span(prompt->gold).first(count);
  sequence->positions = positions;
  sequence->logit_rows = rows;
  sequence->logits = logits.data();
  KVLINK_RETURN_IF_ERROR(Forward(sequence, prompt));
  for (size_t i = 0; i < count; ++i) {
    answer->gold_logprobs.push_back(
        LogProbability(std::span(logits).subspan(i * vocab, vocab), prompt->gold[i + 1]));
  }
  return {};
}

Result<Answer> EngineImpl::Ask(const Request& request, const TextSink& sink) {
  const std::lock_guard lock(mutex_);
  return Guarded(
      "there is not enough memory for this prompt: give fewer documents, lower max_tokens, or "
      "close other programs",
      [&]() -> Result<Answer> {
        if (request.sampling.temperature <= 0 || request.sampling.seed) {
          return AskAlone(request, sink);
        }
        Request seeded = request;  // an answer that is started again draws the same tokens
        seeded.sampling.seed = DrawSeed();
        return AskAlone(seeded, sink);
      });
}

Result<Answer> EngineImpl::AskAlone(const Request& request, const TextSink& sink) {
  const double start = clock_.MonotonicMs();
  TextReplay replay(sink);
  for (int restarts = 0;; ++restarts) {
    Answer answer;
    Prompt prompt;
    Status status = AskOnce(request, replay.sink(), start, &prompt, &answer);
    if (prompt.block_changed && restarts == kMostRestarts) {
      return DataLoss(
          status.message() +
          ", again and again; find out what writes to the store's files, and ask again");
    }
    if (!prompt.block_changed) {
      KVLINK_RETURN_IF_ERROR(status);
      KVLINK_RETURN_IF_ERROR(replay.status());
      if (restarts > 0) {
        answer.warnings.push_back(
            "a block's file changed while it was in use: its document was computed again and the "
            "answer started again");
      }
      return answer;
    }
    // Nothing was said that was computed from it. The store finds the file damaged now.
    replay.Restart();
  }
}

Status EngineImpl::CheckBlocks(Prompt* prompt) const {
  for (const std::shared_ptr<const Block>& block : prompt->linked.blocks) {
    if (block == nullptr) continue;
    Status unchanged = block->CheckUnchanged();
    prompt->block_changed |= !unchanged.ok();
    KVLINK_RETURN_IF_ERROR(unchanged);
  }
  return {};
}

Status EngineImpl::Forward(Sequence* sequence, Prompt* prompt) {
  const Status computed = model_->model().Forward({sequence, 1});
  KVLINK_RETURN_IF_ERROR(CheckBlocks(prompt));  // first: it may be why the pass failed
  return computed;
}

Status EngineImpl::AskOnce(const Request& request, const TextSink& sink, double start_ms,
                           Prompt* prompt, Answer* answer) {
  KVLINK_RETURN_IF_ERROR(Prepare(request, prompt, answer));
  if (request.require_gate) KVLINK_RETURN_IF_ERROR(CheckGate(*prompt));
  KVLINK_RETURN_IF_ERROR(FetchBlocks(request, prompt, answer));
  answer->timings.load_ms = clock_.MonotonicMs() - start_ms - answer->timings.encode_ms;
  KVLINK_RETURN_IF_ERROR(ComputeAgain(prompt, answer));
  CountUsage(*prompt, answer);
  AddWarnings(*prompt, answer);
  KVLINK_RETURN_IF_ERROR(Generate(request, prompt, sink, start_ms, answer));
  if (!request.want_prompt) return {};
  for (size_t i = 0; i < prompt->plan.tokens.size(); ++i) {
    const PlannedToken& t = prompt->plan.tokens[i];
    answer->prompt.push_back({std::max(t.id, -1), t.position, t.segment,
                              std::string(Name(t.source)), prompt->computed[i]});
  }
  return {};
}

}  // namespace kvlink

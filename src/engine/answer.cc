// One answer: plan, blocks, one pass over what is not in a block, then a token a step.
#include <algorithm>
#include <new>

#include "engine/engine_impl.h"
#include "engine/sampler.h"
#include "engine/text_stream.h"

namespace kvlink {

// A request on its way.
struct EngineImpl::Prompt {
  std::vector<std::vector<int32_t>> documents;  // tokens of those that stay, in order
  std::vector<size_t> places;                   // their index in the request
  LinkPlan plan;
  std::vector<bool> encoded;  // a block of the plan was computed just now
  LinkedPrompt linked;
};

// Renders and plans; drops documents from the end until the prompt fits the context.
Status EngineImpl::Prepare(const Request& request, Prompt* prompt, Answer* answer) {
  if (request.question.empty()) return InvalidArgument("the question is empty");
  if (request.max_tokens < 0) {
    return InvalidArgument("max_tokens is " + std::to_string(request.max_tokens) +
                           "; it must be 0 or more");
  }
  const bool full = request.mode == Mode::kFull;
  if (!full && !summary_.why_not_linkable.empty()) {
    return Unsupported("this model cannot be linked: " + summary_.why_not_linkable +
                       "; ask with mode full");
  }
  for (size_t i = 0; i < request.documents.size(); ++i) {
    const Document& d = request.documents[i];
    std::vector<int32_t> tokens;
    if (!d.title.empty() || !d.text.empty()) {
      tokens = model_->RenderDocument(d.title, d.text, static_cast<int>(prompt->documents.size()));
    }
    answer->documents.push_back({d.id, static_cast<int64_t>(tokens.size()), "", ""});
    if (tokens.empty()) {
      answer->documents.back().status = "dropped";
      answer->documents.back().why = "the document is empty";
      continue;
    }
    prompt->documents.push_back(std::move(tokens));
    prompt->places.push_back(i);
  }
  const auto plan = [&] {
    return model_->Plan(request.system, prompt->documents, request.question, full);
  };
  prompt->plan = plan();
  const int64_t context = summary_.context_tokens;
  int64_t need = static_cast<int64_t>(prompt->plan.tokens.size()) + request.max_tokens;
  if (need <= context) return {};
  const std::string figures = "prompt and answer need " + std::to_string(need) +
                              " tokens and the model's context has " + std::to_string(context);
  const int64_t links = full ? 0 : model_->k();
  int64_t documents = 0;  // tokens of documents and their links
  for (const std::vector<int32_t>& d : prompt->documents) {
    documents += static_cast<int64_t>(d.size()) + links;
  }
  if (need - documents > context) {
    return InvalidArgument(figures + (documents > 0 ? ", even without documents" : "") +
                           ": shorten the question or lower max_tokens (" +
                           std::to_string(request.max_tokens) + ")");
  }
  if (request.strict) {
    return ResourceExhausted(figures + ": give fewer documents (" +
                             std::to_string(prompt->documents.size()) +
                             " were given) or let them be dropped");
  }
  while (need > context) {
    DocumentUse& use = answer->documents[prompt->places.back()];
    use.status = "dropped";
    use.why =
        "the prompt would not fit the model's context of " + std::to_string(context) + " tokens";
    answer->warnings.push_back("document " + (use.id.empty() ? "" : use.id + " ") + "(number " +
                               std::to_string(prompt->places.back() + 1) +
                               ") was dropped: " + use.why);
    need -= static_cast<int64_t>(prompt->documents.back().size()) + links;
    prompt->documents.pop_back();
    prompt->places.pop_back();
  }
  prompt->plan = plan();
  return {};
}

// Finds or computes every block of the plan.
Status EngineImpl::FetchBlocks(const Request& request, Prompt* prompt, Answer* answer) {
  const bool full = request.mode == Mode::kFull;
  Indexer& indexer = full ? base_indexer_ : indexer_;
  std::vector<std::shared_ptr<const Block>> blocks;
  Usage& usage = answer->usage;
  int not_kept = 0;
  for (const PlannedBlock& planned : prompt->plan.blocks) {
    if (planned.length == 0) {
      blocks.push_back(nullptr);
      prompt->encoded.push_back(false);
      continue;
    }
    std::vector<int32_t> tokens;
    for (int32_t i = planned.start; i < planned.start + planned.length; ++i) {
      tokens.push_back(prompt->plan.tokens[i].id);
    }
    const bool head = planned.document < 0;
    const size_t place = head ? 0 : prompt->places[planned.document];
    const double before = clock_.MonotonicMs();
    KVLINK_ASSIGN_OR_RETURN(
        IndexedBlock fetched,
        indexer.Fetch(tokens, head ? BlockKind::kHead : BlockKind::kDocument,
                      head ? std::string_view() : request.documents[place].label));
    if (fetched.computed) answer->timings.encode_ms += clock_.MonotonicMs() - before;
    (fetched.computed ? usage.computed_tokens
     : head           ? usage.exact_tokens
                      : usage.linked_tokens) += planned.length;
    if (!head) {
      answer->documents[place].status = fetched.computed ? "computed" : "linked";
      answer->documents[place].why = fetched.why;
      if (!fetched.not_kept.empty()) {
        answer->documents[place].why += "; not kept: " + fetched.not_kept;
      }
    }
    if (!fetched.not_kept.empty() && not_kept++ == 0) {
      answer->warnings.push_back("blocks could not be kept and will be computed again: " +
                                 fetched.not_kept);
    }
    answer->kv_bytes += planned.length * summary_.kv_bytes_per_token;
    prompt->encoded.push_back(fetched.computed);
    blocks.push_back(std::move(fetched.block));
  }
  if (full) {
    for (const size_t place : prompt->places) {
      answer->documents[place].status = "computed";
      answer->documents[place].why = "full attention";
    }
  }
  prompt->linked = Link(prompt->plan, std::move(blocks));
  usage.prompt_tokens = static_cast<int64_t>(prompt->plan.tokens.size());
  usage.computed_tokens += static_cast<int64_t>(prompt->plan.computed.size());
  return {};
}

// What the reader of a linked answer should know about its quality.
void EngineImpl::AddLinkingWarnings(const Request& request, const Prompt& prompt,
                                    Answer* answer) const {
  if (request.mode == Mode::kFull || prompt.documents.empty()) return;
  std::vector<std::string>& warnings = answer->warnings;
  const Links* links = model_->links();
  if (links == nullptr) {
    warnings.push_back(
        "not gated: no link file; how well this model answers over linked documents has not been "
        "measured");
  } else {
    warnings.insert(warnings.end(), links->warnings.begin(), links->warnings.end());
    if (!links->gate.measured) {
      warnings.push_back("not gated: the link file " + summary_.links_path +
                         " records no measured quality");
    } else if (!links->gate.passed) {
      warnings.push_back("the link file's quality gate fell short: " + links->gate.summary);
    }
  }
  if (model_->prompt_template().uses_rank()) {
    warnings.push_back(
        "the template shows a document's rank: a block serves one rank only, which costs reuse");
  }
}

Status EngineImpl::Generate(const Request& request, Prompt* prompt, const TextSink& sink,
                            double start_ms, Answer* answer) {
  Model& model = model_->model();
  const ModelConfig& c = model.config();
  const Tokenizer& tokenizer = model.tokenizer();
  KVLINK_ASSIGN_OR_RETURN(Sampler sampler, Sampler::Create(request.sampling, c.vocab));
  for (const PlannedToken& t : prompt->plan.tokens) sampler.AddHistory({&t.id, 1});
  const int64_t computed = static_cast<int64_t>(prompt->linked.tokens.size());
  KVLINK_ASSIGN_OR_RETURN(Tail tail, Tail::Create(c.layers, c.kv_heads, c.head_dim,
                                                  computed + request.max_tokens, model.kv_dtype()));
  std::vector<float> logits(static_cast<size_t>(c.vocab));
  TextStream stream(model_->prompt_template().stop);

  Sequence sequence;
  sequence.tokens = prompt->linked.tokens;
  sequence.embeddings = model_->embeddings();
  sequence.positions = prompt->linked.positions;
  sequence.context = prompt->linked.segments;
  sequence.tail = &tail;
  sequence.adapter = request.mode == Mode::kFull ? nullptr : model_->adapter();
  const int32_t last_row = static_cast<int32_t>(computed) - 1;
  sequence.logit_rows = {&last_row, 1};
  sequence.logits = logits.data();
  double step_started = clock_.MonotonicMs();
  KVLINK_RETURN_IF_ERROR(model.Forward({&sequence, 1}));
  answer->timings.prefill_ms = clock_.MonotonicMs() - step_started;

  int32_t position = prompt->plan.tokens.back().position;
  int32_t token = 0;
  const int32_t only_row = 0;
  answer->finish_reason = "length";
  for (int32_t step = 0; step < request.max_tokens; ++step) {
    if (step > 0) {
      ++position;
      sequence.tokens = {&token, 1};
      sequence.positions = {&position, 1};
      sequence.logit_rows = {&only_row, 1};
      KVLINK_RETURN_IF_ERROR(model.Forward({&sequence, 1}));
    }
    KVLINK_ASSIGN_OR_RETURN(SampledToken next, sampler.Next(logits, request.top_logprobs));
    if (step == 0) answer->timings.ttft_ms = clock_.MonotonicMs() - start_ms;
    token = next.id;
    if (tokenizer.EndsGeneration(token)) {
      answer->finish_reason = "stop";
      break;
    }
    const std::string_view bytes = tokenizer.TokenBytes(token);
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
  return {};
}

Result<Answer> EngineImpl::Ask(const Request& request, const TextSink& sink) {
  const std::lock_guard lock(mutex_);
  try {
    return AskAlone(request, sink);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted(
        "there is not enough memory for this prompt: give fewer documents, lower max_tokens, or "
        "close other programs");
  }
}

Result<Answer> EngineImpl::AskAlone(const Request& request, const TextSink& sink) {
  const double start = clock_.MonotonicMs();
  Answer answer;
  Prompt prompt;
  KVLINK_RETURN_IF_ERROR(Prepare(request, &prompt, &answer));
  KVLINK_RETURN_IF_ERROR(FetchBlocks(request, &prompt, &answer));
  answer.timings.load_ms = clock_.MonotonicMs() - start - answer.timings.encode_ms;
  AddLinkingWarnings(request, prompt, &answer);
  KVLINK_RETURN_IF_ERROR(Generate(request, &prompt, sink, start, &answer));
  if (request.want_prompt) {
    std::vector<bool> computed(prompt.plan.tokens.size());
    for (const int32_t i : prompt.plan.computed) computed[i] = true;
    for (size_t b = 0; b < prompt.plan.blocks.size(); ++b) {
      const PlannedBlock& block = prompt.plan.blocks[b];
      if (!prompt.encoded[b]) continue;
      std::fill_n(computed.begin() + block.start, block.length, true);
    }
    for (size_t i = 0; i < prompt.plan.tokens.size(); ++i) {
      const PlannedToken& t = prompt.plan.tokens[i];
      answer.prompt.push_back(
          {std::max(t.id, -1), t.position, t.segment, std::string(Name(t.source)), computed[i]});
    }
  }
  return answer;
}

}  // namespace kvlink

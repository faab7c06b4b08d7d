// What comes before an answer's first pass: the method, the plan, its blocks, and what of them is
// computed again.
#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/prompt.h"
#include "link/recompute.h"

namespace kvlink {

PreparedAdapter* EngineImpl::AdapterOf(const Method& method) const {
  return method.adapter ? model_->adapter() : nullptr;
}

// The request's method, if this model and link file can do it.
Result<Method> EngineImpl::MethodOf(const Request& request) const {
  const bool full = request.mode == Mode::kFull;
  KVLINK_ASSIGN_OR_RETURN(Method method, ParseMethod(!request.method.empty() ? request.method
                                                     : full                  ? "full"
                                                                             : "link"));
  if (method.documents && method.layout != Layout::kFull && !summary_.why_not_linkable.empty()) {
    return Unsupported("this model cannot be linked: " + summary_.why_not_linkable +
                       "; ask with mode full");
  }
  if (method.needs_no_links && model_->k() > 0) {
    return FailedPrecondition("method " + method.name + " has no link tokens, and the link file " +
                              summary_.links_path + " has K = " + std::to_string(model_->k()) +
                              "; give one trained with K = 0, or ask with method link");
  }
  if (method.needs_adapter && model_->adapter() == nullptr) {
    return FailedPrecondition("method " + method.name +
                              " needs a link file with an adapter, and there is none; give one "
                              "(--links), or ask with method " +
                              (method.layout == Layout::kFull ? "full" : "reuse"));
  }
  return method;
}

// Leaves out documents that do not fit into `room` tokens, links after each included: by rank, so
// that a long one takes nothing from those behind it.
void EngineImpl::DropDocuments(const Request& request, int64_t room, int64_t links, Prompt* prompt,
                               Answer* answer) const {
  std::vector<size_t> order(prompt->documents.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return request.documents[prompt->places[a]].rank < request.documents[prompt->places[b]].rank;
  });
  std::vector<bool> kept(order.size());
  for (const size_t i : order) {
    const int64_t tokens = static_cast<int64_t>(prompt->documents[i].size()) + links;
    kept[i] = tokens <= room;
    if (kept[i]) room -= tokens;
  }
  std::vector<std::vector<int32_t>> documents = std::exchange(prompt->documents, {});
  const std::vector<size_t> places = std::exchange(prompt->places, {});
  for (size_t i = 0; i < kept.size(); ++i) {
    if (kept[i]) {
      prompt->documents.push_back(std::move(documents[i]));
      prompt->places.push_back(places[i]);
      continue;
    }
    DocumentUse& use = answer->documents[places[i]];
    use.status = "dropped";
    use.why = "the prompt would not fit the model's context of " +
              std::to_string(summary_.context_tokens) + " tokens";
    answer->warnings.push_back("document " + (use.id.empty() ? "" : use.id + " ") + "(number " +
                               std::to_string(places[i] + 1) + ") was dropped: " + use.why);
  }
}

// Renders and plans; drops documents until the prompt fits the context.
Status EngineImpl::Prepare(const Request& request, Prompt* prompt, Answer* answer) {
  if (request.question.empty()) return InvalidArgument("the question is empty");
  if (request.max_tokens < 0) {
    return InvalidArgument("max_tokens is " + std::to_string(request.max_tokens) +
                           "; it must be 0 or more");
  }
  KVLINK_ASSIGN_OR_RETURN(prompt->method, MethodOf(request));
  const Method& method = prompt->method;
  for (size_t i = 0; i < request.documents.size(); ++i) {
    const Document& d = request.documents[i];
    if (!method.documents) {
      answer->documents.push_back({d.id, 0, "dropped", "method " + method.name + " ignores it"});
      continue;
    }
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
  if (!request.gold.empty()) {
    prompt->gold =
        RenderAnswer(model_->prompt_template(), model_->model().tokenizer(), request.gold);
  }
  prompt->answer_tokens =
      std::max<int64_t>(request.max_tokens, static_cast<int64_t>(prompt->gold.size()));
  const auto plan = [&] {
    return model_->Plan(request.system, prompt->documents, request.question, method.layout);
  };
  const int64_t context = summary_.context_tokens;
  const int64_t links = method.layout == Layout::kLinked ? model_->k() : 0;
  int64_t documents = 0;  // tokens of documents and their links
  for (const std::vector<int32_t>& d : prompt->documents) {
    documents += static_cast<int64_t>(d.size()) + links;
  }
  // Counted before anything is planned: a plan's positions have 31 bits.
  const int64_t around =
      model_->CountAround(request.system, request.question, !prompt->documents.empty());
  const int64_t need = around + documents + prompt->answer_tokens;
  if (need <= context) {
    prompt->plan = plan();
    return {};
  }
  const auto figures = [&](int64_t tokens) {
    return "prompt and answer need " + std::to_string(tokens) +
           " tokens and the model's context has " + std::to_string(context);
  };
  if (need - documents > context) {
    return ResourceExhausted(
        figures(need - documents) + (documents > 0 ? ", even without documents" : "") +
        ": shorten the question or lower max_tokens (" + std::to_string(request.max_tokens) + ")" +
        (prompt->gold.empty() ? ""
                              : ", or shorten the gold answer (" +
                                    std::to_string(prompt->gold.size()) + " tokens)"));
  }
  if (request.strict) {
    return ResourceExhausted(figures(need) + ": give fewer documents (" +
                             std::to_string(prompt->documents.size()) +
                             " were given) or let them be dropped");
  }
  DropDocuments(request, context - (need - documents), links, prompt, answer);
  prompt->plan = plan();
  return {};
}

// Answers that depend on linking are known to be good only where the gate was passed.
Status EngineImpl::CheckGate(const Prompt& prompt) const {
  const Method& method = prompt.method;
  if (method.layout == Layout::kFull || prompt.documents.empty()) return {};
  if (!method.is_main()) {
    return FailedPrecondition(
        "refused, as a passed quality gate is required: a gate measures "
        "method link, not " +
        method.name);
  }
  if (summary_.why_not_gated.empty()) return {};
  const Links* links = model_->links();
  // Where links were not measured, the reason says how to do it.
  const bool says_how = links != nullptr && !links->gate.measured;
  return FailedPrecondition(
      "refused, as a passed quality gate is required: " + summary_.why_not_gated +
      (says_how ? "" : "; measure links with: kvlink check --quality") +
      ", or ask with full attention");
}

// Finds or computes every block of the plan.
Status EngineImpl::FetchBlocks(const Request& request, Prompt* prompt, Answer* answer) {
  const Method& method = prompt->method;
  Indexer& indexer = method.adapter ? indexer_ : base_indexer_;
  std::vector<int32_t> prefix;  // that documents are encoded behind
  const std::vector<PlannedBlock>& planned_blocks = prompt->plan.blocks;
  if (method.behind_head && !planned_blocks.empty() && planned_blocks.front().document < 0) {
    prefix = TokensOf(prompt->plan, planned_blocks.front());
  }
  if (method.layout == Layout::kLinked) prefix = model_->DocumentPrefix(request.system);
  std::vector<std::shared_ptr<const Block>> blocks;
  prompt->computed.assign(prompt->plan.tokens.size(), false);
  for (const int32_t i : prompt->plan.computed) prompt->computed[i] = true;
  for (const PlannedBlock& planned : planned_blocks) {
    if (planned.length == 0) {
      blocks.push_back(nullptr);
      continue;
    }
    const bool head = planned.document < 0;
    const size_t place = head ? 0 : prompt->places[planned.document];
    const double before = clock_.MonotonicMs();
    KVLINK_ASSIGN_OR_RETURN(
        IndexedBlock fetched,
        indexer.Fetch(prompt->plan, planned, prefix, head ? "" : request.documents[place].label,
                      !head && request.documents[place].pinned));
    if (fetched.computed) {
      answer->timings.encode_ms += clock_.MonotonicMs() - before;
      std::fill_n(prompt->computed.begin() + planned.start, planned.length, true);
    }
    if (!head) {
      answer->documents[place].status = fetched.computed ? "computed" : "linked";
      answer->documents[place].why = fetched.why;
      answer->documents[place].block = ToHex(fetched.block->identity().id);
    }
    if (fetched.computed) {
      prompt->puts.push_back({head ? std::nullopt : std::optional<size_t>(place), fetched});
    }
    answer->kv_bytes += planned.length * summary_.kv_bytes_per_token;
    blocks.push_back(std::move(fetched.block));
  }
  if (method.layout == Layout::kFull) {
    for (const size_t place : prompt->places) {
      answer->documents[place].status = "computed";
      answer->documents[place].why = "full attention";
    }
  }
  prompt->linked = Link(prompt->plan, std::move(blocks), method);
  return {};
}

// Says which of the blocks that were computed could not be kept. Waits for the store, so it stands
// behind the last token.
void EngineImpl::NotePuts(const Prompt& prompt, Answer* answer) const {
  bool warned = false;
  for (const Prompt::Put& put : prompt.puts) {
    const std::string why = put.block.WhyNotKept();
    if (why.empty()) continue;
    if (put.place) answer->documents[*put.place].why += "; not kept: " + why;
    if (!std::exchange(warned, true)) {
      answer->warnings.push_back("blocks could not be kept and will be computed again: " + why);
    }
  }
}

// What the method computes again of the documents, chosen and put into the plan.
Status EngineImpl::ComputeAgain(Prompt* prompt, Answer* answer) {
  if (prompt->method.recompute == Method::Recompute::kNothing) return {};
  const double before = clock_.MonotonicMs();
  KVLINK_ASSIGN_OR_RETURN(const std::vector<int32_t> chosen,
                          ChooseTokens(prompt->method, model_->model(), AdapterOf(prompt->method),
                                       model_->embeddings(), prompt->plan, prompt->linked));
  KVLINK_RETURN_IF_ERROR(CheckBlocks(prompt));
  std::vector<int64_t> counts(prompt->documents.size());
  for (const int32_t i : chosen) {
    prompt->computed[i] = true;
    ++counts[prompt->plan.tokens[i].segment - 1];
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    answer->documents[prompt->places[i]].why +=
        "; " + std::to_string(counts[i]) + " of its tokens computed again";
  }
  prompt->plan = Recomputed(std::move(prompt->plan), chosen);
  prompt->linked = Link(prompt->plan, std::move(prompt->linked.blocks), prompt->method);
  answer->timings.prefill_ms += clock_.MonotonicMs() - before;
  return {};
}

void EngineImpl::CountUsage(const Prompt& prompt, Answer* answer) const {
  Usage& usage = answer->usage;
  usage.prompt_tokens = static_cast<int64_t>(prompt.plan.tokens.size());
  for (size_t i = 0; i < prompt.plan.tokens.size(); ++i) {
    (prompt.computed[i]                                     ? usage.computed_tokens
     : prompt.plan.tokens[i].source == TokenSource::kSystem ? usage.exact_tokens
                                                            : usage.linked_tokens)++;
  }
}

// What the reader of an answer should know about its quality.
void EngineImpl::AddWarnings(const Prompt& prompt, Answer* answer) const {
  const Method& method = prompt.method;
  std::vector<std::string>& warnings = answer->warnings;
  if (!summary_.template_concern.empty()) warnings.push_back(summary_.template_concern);
  const bool compares = !method.is_main() && !method.extends_link();
  if (compares) {
    warnings.push_back("method " + method.name + ": for comparison, see docs/methods.md");
  }
  if (method.layout == Layout::kFull || prompt.documents.empty()) return;
  const Links* links = model_->links();
  if (!compares) {
    if (links != nullptr) {
      warnings.insert(warnings.end(), links->warnings.begin(), links->warnings.end());
    }
    if (!summary_.why_not_gated.empty()) {
      warnings.push_back(summary_.why_not_gated);
    } else if (method.extends_link()) {
      warnings.push_back(
          "method " + method.name +
          ": the quality gate measured link, which computes no token of a document again");
    }
  }
  if (model_->prompt_template().uses_rank()) {
    warnings.push_back(
        "the template shows a document's rank: a block serves one rank only, which costs reuse");
  }
}

}  // namespace kvlink

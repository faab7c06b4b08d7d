// MakePrompt: the method, the plan, and which documents stay in it. Not here: blocks (blocks.cc).
#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/prompt.h"

namespace kvlink::engine {
namespace {

constexpr int32_t kMostChoices = 64;

// The rules of the request's method, if this model and link file can do it.
Result<link::MethodRules> RulesFor(const EngineParts& parts, const Method& method) {
  const link::MethodRules rules = link::RulesOf(method);
  if (rules.uses_documents && rules.layout != link::Layout::kFull &&
      !parts.summary->why_not_linkable.empty()) {
    return Unsupported("this model cannot be linked: " + parts.summary->why_not_linkable +
                       "; ask with method full");
  }
  if (rules.needs_no_links && parts.model->k() > 0) {
    return FailedPrecondition("method " + Name(method) + " has no link tokens, and the link file " +
                              parts.summary->links_path +
                              " has K = " + std::to_string(parts.model->k()) +
                              "; give one trained with K = 0, or ask with method link");
  }
  if (rules.needs_adapter && parts.model->adapter() == nullptr) {
    return FailedPrecondition("method " + Name(method) +
                              " needs a link file with an adapter, and there is none; give one "
                              "(--links), or ask with method " +
                              (rules.layout == link::Layout::kFull ? "full" : "reuse"));
  }
  return rules;
}

// Leaves out documents that do not fit into `room` tokens, links after each included: by rank, so
// that a long one takes nothing from those behind it.
void DropDocuments(const EngineParts& parts, const Request& request, int64_t room, int64_t links,
                   Prompt* prompt, Answer* answer) {
  std::vector<size_t> order(prompt->document_tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return request.documents[prompt->request_index[a]].rank <
           request.documents[prompt->request_index[b]].rank;
  });
  std::vector<bool> kept(order.size());
  for (const size_t i : order) {
    const int64_t tokens = static_cast<int64_t>(prompt->document_tokens[i].size()) + links;
    kept[i] = tokens <= room;
    if (kept[i]) room -= tokens;
  }
  std::vector<std::vector<int32_t>> documents = std::exchange(prompt->document_tokens, {});
  const std::vector<size_t> request_index = std::exchange(prompt->request_index, {});
  for (size_t i = 0; i < kept.size(); ++i) {
    if (kept[i]) {
      prompt->document_tokens.push_back(std::move(documents[i]));
      prompt->request_index.push_back(request_index[i]);
      continue;
    }
    DocumentUse& use = answer->document_uses[request_index[i]];
    use.status = DocumentStatus::kDropped;
    use.why = "the prompt would not fit the model's context of " +
              std::to_string(parts.summary->context_tokens) + " tokens";
    answer->warnings.push_back("document " + (use.id.empty() ? "" : use.id + " ") + "(number " +
                               std::to_string(request_index[i] + 1) + ") was dropped: " + use.why);
  }
}

// Renders and plans; drops documents until the prompt fits the context.
Status Prepare(const EngineParts& parts, const Request& request, Prompt* prompt, Answer* answer) {
  if (request.question.empty()) return InvalidArgument("the question is empty");
  for (size_t i = 0; i < request.messages.size(); ++i) {
    const bool user = request.messages[i].role == Message::Role::kUser;
    if (user == (i % 2 == 0) && (!user || i + 1 < request.messages.size())) continue;
    return InvalidArgument("message " + std::to_string(i + 1) +
                           " of the earlier turns: expected a user and an assistant in turn, the "
                           "assistant last; the question itself is the next user's");
  }
  if (request.max_tokens < 0 || request.deadline_ms < 0) {
    return InvalidArgument("max_tokens is " + std::to_string(request.max_tokens) +
                           " and deadline_ms " + std::to_string(request.deadline_ms) +
                           "; each must be 0 or more");
  }
  if (request.n < 1 || request.n > kMostChoices) {
    return InvalidArgument("n is " + std::to_string(request.n) + "; it must be 1 to " +
                           std::to_string(kMostChoices));
  }
  KVLINK_ASSIGN_OR_RETURN(prompt->rules, RulesFor(parts, request.method));
  const link::MethodRules& rules = prompt->rules;
  for (size_t i = 0; i < request.documents.size(); ++i) {
    const Document& d = request.documents[i];
    if (!rules.uses_documents) {
      answer->document_uses.push_back(
          {d.id, 0, DocumentStatus::kDropped, "method " + Name(rules.method) + " ignores it"});
      continue;
    }
    std::vector<int32_t> tokens;
    if (!d.title.empty() || !d.text.empty()) {
      tokens = parts.model->RenderDocument(d.title, d.text,
                                           static_cast<int>(prompt->document_tokens.size()));
    }
    answer->document_uses.push_back({.id = d.id, .tokens = static_cast<int64_t>(tokens.size())});
    if (tokens.empty()) {
      answer->document_uses.back().status = DocumentStatus::kDropped;
      answer->document_uses.back().why = "the document is empty";
      continue;
    }
    prompt->document_tokens.push_back(std::move(tokens));
    prompt->request_index.push_back(i);
  }
  if (!request.gold.empty()) {
    prompt->gold = text::RenderAnswer(parts.model->prompt_template(),
                                      parts.model->model().tokenizer(), request.gold);
  }
  prompt->answer_tokens =
      std::max<int64_t>(request.max_tokens, static_cast<int64_t>(prompt->gold.size()));
  const auto plan = [&] {
    return parts.model->Plan(request.system, prompt->document_tokens, request.question,
                             rules.layout, request.messages);
  };
  const int64_t context = parts.summary->context_tokens;
  const int64_t links = rules.layout == link::Layout::kLinked ? parts.model->k() : 0;
  int64_t documents = 0;  // tokens of documents and their links
  for (const std::vector<int32_t>& d : prompt->document_tokens) {
    documents += static_cast<int64_t>(d.size()) + links;
  }
  // Counted before anything is planned: a plan's positions have 31 bits.
  const int64_t around = parts.model->CountAround(
      request.system, request.question, !prompt->document_tokens.empty(), request.messages);
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
                             std::to_string(prompt->document_tokens.size()) +
                             " were given) or let them be dropped");
  }
  DropDocuments(parts, request, context - (need - documents), links, prompt, answer);
  prompt->plan = plan();
  return {};
}

// Answers that depend on linking are known to be good only where the gate was passed.
Status CheckGate(const EngineParts& parts, const Prompt& prompt) {
  const link::MethodRules& rules = prompt.rules;
  if (rules.layout == link::Layout::kFull || prompt.document_tokens.empty()) return {};
  if (!rules.is_main()) {
    return FailedPrecondition(
        "refused, as a passed quality gate is required: a gate measures "
        "method link, not " +
        Name(rules.method));
  }
  if (parts.summary->why_not_gated.empty()) return {};
  const links::Links* links = parts.model->links();
  // Where links were not measured, the reason says how to do it.
  const bool says_how = links != nullptr && !links->gate.measured;
  return FailedPrecondition(
      "refused, as a passed quality gate is required: " + parts.summary->why_not_gated +
      (says_how ? "" : "; measure links with: kvlink check --quality") +
      ", or ask with full attention");
}

}  // namespace

Result<Prompt> MakePrompt(const EngineParts& parts, const Request& request, Answer* answer) {
  Prompt prompt;
  KVLINK_RETURN_IF_ERROR(Prepare(parts, request, &prompt, answer));
  if (request.require_gate) KVLINK_RETURN_IF_ERROR(CheckGate(parts, prompt));
  const std::vector<link::PlannedBlock>& blocks = prompt.plan.blocks;
  if (prompt.rules.ape && !blocks.empty() && blocks.front().document < 0) {
    prompt.prefix = link::TokensOf(prompt.plan, blocks.front());
  }
  if (prompt.rules.layout == link::Layout::kLinked) {
    prompt.prefix = parts.model->DocumentPrefix(request.system);
  }
  prompt.blocks.resize(blocks.size());
  prompt.computed.assign(prompt.plan.tokens.size(), false);
  for (const int32_t i : prompt.plan.computed) prompt.computed[i] = true;
  return prompt;
}

}  // namespace kvlink::engine

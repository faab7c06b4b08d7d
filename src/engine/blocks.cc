// A prompt's blocks: found, put in, linked. Not here: the plan (prepare.cc), computing what is
// missing (loop.cc).
#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/prompt.h"
#include "link/recompute.h"

namespace kvlink::engine {
namespace {

// What became of a block's document; null: it is the preamble's.
DocumentUse* UseOf(const Prompt& prompt, size_t index, Answer* answer) {
  const int32_t document = prompt.plan.blocks[index].document;
  return document < 0 ? nullptr : &answer->document_uses[prompt.request_index[document]];
}

// What the method computes again of the documents, chosen and put into the plan.
Status ComputeAgain(const EngineParts& parts, Prompt* prompt, Answer* answer) {
  if (prompt->rules.recompute == link::Recompute::kNothing) return {};
  const double before = parts.clock->MonotonicMs();
  KVLINK_ASSIGN_OR_RETURN(
      const std::vector<int32_t> chosen,
      link::ChooseTokens(prompt->rules, parts.model->model(), parts.AdapterOf(prompt->rules),
                         parts.model->embeddings(), prompt->plan, prompt->linked));
  std::vector<int64_t> counts(prompt->document_tokens.size());
  for (const int32_t i : chosen) {
    prompt->computed[i] = true;
    ++counts[prompt->plan.tokens[i].segment - 1];
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    answer->document_uses[prompt->request_index[i]].why +=
        "; " + std::to_string(counts[i]) + " of its tokens computed again";
  }
  prompt->plan = link::Recomputed(std::move(prompt->plan), chosen);
  prompt->linked = link::Link(prompt->plan, prompt->blocks, prompt->rules);
  answer->timings.prefill_ms += parts.clock->MonotonicMs() - before;
  return {};
}

void CountUsage(const Prompt& prompt, Answer* answer) {
  Usage& usage = answer->usage;
  usage.prompt_tokens = static_cast<int64_t>(prompt.plan.tokens.size());
  for (size_t i = 0; i < prompt.plan.tokens.size(); ++i) {
    (prompt.computed[i]                                     ? usage.computed_tokens
     : prompt.plan.tokens[i].source == TokenSource::kSystem ? usage.exact_tokens
                                                            : usage.linked_tokens)++;
  }
}

// What the reader of an answer should know about its quality.
void AddWarnings(const EngineParts& parts, const Prompt& prompt, Answer* answer) {
  const link::MethodRules& rules = prompt.rules;
  const ModelSummary& summary = *parts.summary;
  std::vector<std::string>& warnings = answer->warnings;
  if (!summary.template_concern.empty()) warnings.push_back(summary.template_concern);
  const bool compares = !rules.is_main() && !rules.extends_link();
  if (compares) {
    warnings.push_back("method " + Name(rules.method) + ": for comparison, see docs/methods.md");
  }
  if (rules.layout == link::Layout::kFull || prompt.document_tokens.empty()) return;
  const links::Links* links = parts.model->links();
  if (!compares) {
    if (links != nullptr) {
      warnings.insert(warnings.end(), links->warnings.begin(), links->warnings.end());
    }
    if (!summary.why_not_gated.empty()) {
      warnings.push_back(summary.why_not_gated);
    } else if (rules.extends_link()) {
      warnings.push_back(
          "method " + Name(rules.method) +
          ": the quality gate measured link, which computes no token of a document again");
    }
  }
  if (parts.model->prompt_template().uses_rank()) {
    warnings.push_back(
        "the template shows a document's rank: a block serves one rank only, which costs reuse");
  }
}

}  // namespace

std::vector<size_t> FindBlocks(const EngineParts& parts, Prompt* prompt, Answer* answer) {
  std::vector<size_t> missing;
  for (size_t i = 0; i < prompt->blocks.size(); ++i) {
    const link::PlannedBlock& planned = prompt->plan.blocks[i];
    if (planned.length == 0 || prompt->blocks[i] != nullptr) continue;
    const bool preamble = planned.document < 0;
    auto found = parts.IndexerOf(prompt->rules)
                     .Find(link::TokensOf(prompt->plan, planned),
                           preamble ? link::BlockKind::kPreamble : link::BlockKind::kDocument,
                           preamble ? std::span<const int32_t>() : prompt->prefix);
    DocumentUse* use = UseOf(*prompt, i, answer);
    if (found.ok()) {
      prompt->blocks[i] = *std::move(found);
      if (use != nullptr) {
        use->status = DocumentStatus::kLinked;
        use->why = "block was in the store";
        use->block = ToHex(prompt->blocks[i]->identity().id);
      }
      continue;
    }
    missing.push_back(i);
    if (use != nullptr) use->why = found.status().message();
  }
  return missing;
}

void PutBlock(size_t index, const link::IndexedBlock& made, Prompt* prompt, Answer* answer) {
  const link::PlannedBlock& planned = prompt->plan.blocks[index];
  std::fill_n(prompt->computed.begin() + planned.start, planned.length, true);
  if (DocumentUse* use = UseOf(*prompt, index, answer); use != nullptr) {
    use->status = DocumentStatus::kComputed;
    use->block = ToHex(made.block->identity().id);
  }
  prompt->blocks[index] = made.block;
  prompt->made.emplace_back(index, made);
}

bool IsSettled(const Prompt& prompt) {
  return std::all_of(prompt.made.begin(), prompt.made.end(), [](const auto& made) {
    const std::shared_future<Status>& kept = made.second.kept;
    return !kept.valid() || kept.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
}

void NotePuts(const Prompt& prompt, Answer* answer) {
  bool warned = false;
  for (const auto& [index, made] : prompt.made) {
    const std::string why = made.WhyNotKept();
    if (why.empty()) continue;
    if (DocumentUse* use = UseOf(prompt, index, answer); use != nullptr) {
      use->why += "; not kept: " + why;
    }
    if (!std::exchange(warned, true)) {
      answer->warnings.push_back("blocks could not be kept and will be computed again: " + why);
    }
  }
}

Status LinkBlocks(const EngineParts& parts, Prompt* prompt, Answer* answer) {
  for (const link::PlannedBlock& planned : prompt->plan.blocks) {
    answer->kv_bytes += planned.length * parts.summary->kv_bytes_per_token;
  }
  if (prompt->rules.layout == link::Layout::kFull) {
    for (const size_t index : prompt->request_index) {
      answer->document_uses[index].status = DocumentStatus::kComputed;
      answer->document_uses[index].why = "full attention";
    }
  }
  prompt->linked = link::Link(prompt->plan, prompt->blocks, prompt->rules);
  KVLINK_RETURN_IF_ERROR(ComputeAgain(parts, prompt, answer));
  CountUsage(*prompt, answer);
  AddWarnings(parts, *prompt, answer);
  return {};
}

Status CheckBlocks(const Prompt& prompt) {
  for (const std::shared_ptr<const kv::Block>& block : prompt.blocks) {
    if (block != nullptr) KVLINK_RETURN_IF_ERROR(block->CheckUnchanged());
  }
  return {};
}

}  // namespace kvlink::engine

#include "train/training_prompt.h"

#include <string>

namespace kvlink::train {
namespace {

// The plan without blocks of no tokens, and with the preamble among what is computed: its block
// would be another after every step.
link::LinkPlan PreambleComputed(link::LinkPlan plan) {
  std::vector<int32_t> preamble;
  for (const link::PlannedBlock& block : plan.blocks) {
    for (int32_t i = 0; block.document < 0 && i < block.length; ++i) preamble.push_back(i);
  }
  std::erase_if(plan.blocks, [](const link::PlannedBlock& block) {
    return block.document < 0 || block.length == 0;
  });
  plan.computed.insert(plan.computed.begin(), preamble.begin(), preamble.end());
  return plan;
}

}  // namespace

int64_t TrainingPrompt::document_tokens() const {
  int64_t total = 0;
  for (const std::vector<int32_t>& document : documents) {
    total += static_cast<int64_t>(document.size());
  }
  return total;
}

Result<TrainingPrompt> MakeTrainingPrompt(const link::LinkableModel& model,
                                          const data::Example& example, bool full,
                                          model::AdapterScope scope, const Method& method,
                                          int64_t max_tokens) {
  if (example.answers.empty() || example.answers.front().empty()) {
    return InvalidArgument("example \"" + example.id + "\" has no answer to train on");
  }
  std::vector<std::vector<int32_t>> documents;
  for (size_t i = 0; i < example.documents.size(); ++i) {
    documents.push_back(model.RenderDocument(example.documents[i].title, example.documents[i].text,
                                             static_cast<int>(i)));
  }
  // Counted before it is planned: a plan's positions have 31 bits.
  int64_t least = model.CountAround("", example.question, !documents.empty());
  for (const std::vector<int32_t>& document : documents) {
    least += static_cast<int64_t>(document.size());
  }
  if (least > max_tokens) {
    return ResourceExhausted("example \"" + example.id + "\" has more than " +
                             std::to_string(least) + " tokens with its answer; at most " +
                             std::to_string(max_tokens) + " fit");
  }
  link::LinkPlan plan = model.Plan("", documents, example.question, full);

  TrainingPrompt prompt;
  prompt.id = example.id;
  prompt.place = example.place;
  const bool everywhere = scope == model::AdapterScope::kEverywhere;
  for (const link::PlannedToken& token : plan.tokens) {
    const bool document = token.source == TokenSource::kDocument;
    if (full && !everywhere && (document || token.source == TokenSource::kSystem)) {
      if (!document) ++prompt.preamble_tokens;
      prompt.prefix.push_back(token.id);
    } else if (!document || everywhere) {
      prompt.tokens.push_back(token.id);
      prompt.positions.push_back(token.position);
    }
  }
  for (const link::PlannedBlock& block : plan.blocks) {
    if (block.document < 0 || block.length == 0) continue;
    if (everywhere) {
      prompt.sees_from.resize(static_cast<size_t>(block.start), 0);
      prompt.sees_from.resize(static_cast<size_t>(block.start + block.length), block.start);
      continue;
    }
    prompt.documents.push_back(std::move(documents[block.document]));
    prompt.starts.push_back(block.start);
  }
  prompt.targets = text::RenderAnswer(model.prompt_template(), model.model().tokenizer(),
                                      example.answers.front());
  // The token before the answer gives its first token; its end gives nothing.
  auto position = static_cast<int32_t>(plan.tokens.size());
  for (size_t i = 0; i < prompt.targets.size(); ++i) {
    prompt.target_rows.push_back(static_cast<int32_t>(prompt.tokens.size()) - 1);
    if (i + 1 == prompt.targets.size()) break;
    prompt.tokens.push_back(prompt.targets[i]);
    prompt.positions.push_back(position++);
  }
  prompt.length = position;
  prompt.rules = link::RulesOf(method);
  if (prompt.rules.recompute != link::Recompute::kNothing)
    prompt.plan = PreambleComputed(std::move(plan));
  if (prompt.length > max_tokens) {
    return ResourceExhausted("example \"" + example.id + "\" has " + std::to_string(prompt.length) +
                             " tokens with its answer; at most " + std::to_string(max_tokens) +
                             " fit");
  }
  return prompt;
}

TrainingPrompt WithComputedAgain(TrainingPrompt prompt, std::span<const int32_t> chosen) {
  std::vector<int32_t> tokens, positions;
  auto next = chosen.begin();
  for (size_t t = 0; t < prompt.tokens.size(); ++t) {
    for (; next != chosen.end() && *next < prompt.positions[t]; ++next) {
      tokens.push_back(prompt.plan.tokens[*next].id);
      positions.push_back(*next);
      prompt.in_document.push_back(1);
    }
    tokens.push_back(prompt.tokens[t]);
    positions.push_back(prompt.positions[t]);
    prompt.in_document.push_back(0);
  }
  prompt.tokens = std::move(tokens);
  prompt.positions = std::move(positions);
  // The question, and with it every target, stands behind all documents.
  for (int32_t& row : prompt.target_rows) row += static_cast<int32_t>(chosen.size());
  return prompt;
}

}  // namespace kvlink::train

#include "train/training_prompt.h"

#include <string>

namespace kvlink {

int64_t TrainingPrompt::document_tokens() const {
  int64_t total = 0;
  for (const std::vector<int32_t>& document : documents) {
    total += static_cast<int64_t>(document.size());
  }
  return total;
}

Result<TrainingPrompt> MakeTrainingPrompt(const LinkableModel& model, const Example& example,
                                          bool full, AdapterScope scope, int64_t max_tokens) {
  if (example.answers.empty() || example.answers.front().empty()) {
    return InvalidArgument("example \"" + example.id + "\" has no answer to train on");
  }
  std::vector<std::vector<int32_t>> documents;
  for (size_t i = 0; i < example.documents.size(); ++i) {
    documents.push_back(model.RenderDocument(example.documents[i].title, example.documents[i].text,
                                             static_cast<int>(i)));
  }
  const LinkPlan plan = model.Plan("", documents, example.question, full);

  TrainingPrompt prompt;
  prompt.id = example.id;
  prompt.place = example.place;
  const bool everywhere = scope == AdapterScope::kEverywhere;
  for (const PlannedToken& token : plan.tokens) {
    const bool document = token.source == TokenSource::kDocument;
    if (full && !everywhere && (document || token.source == TokenSource::kSystem)) {
      if (!document) ++prompt.prefix_head;
      prompt.prefix.push_back(token.id);
    } else if (!document || everywhere) {
      prompt.tokens.push_back(token.id);
      prompt.positions.push_back(token.position);
    }
  }
  for (const PlannedBlock& block : plan.blocks) {
    if (block.document < 0 || block.length == 0) continue;
    if (everywhere) {
      prompt.sees_from.resize(static_cast<size_t>(block.start), 0);
      prompt.sees_from.resize(static_cast<size_t>(block.start + block.length), block.start);
      continue;
    }
    prompt.documents.push_back(std::move(documents[block.document]));
    prompt.starts.push_back(block.start);
  }
  prompt.targets =
      RenderAnswer(model.prompt_template(), model.model().tokenizer(), example.answers.front());
  // The token before the answer gives its first token; its end gives nothing.
  auto position = static_cast<int32_t>(plan.tokens.size());
  for (size_t i = 0; i < prompt.targets.size(); ++i) {
    prompt.target_rows.push_back(static_cast<int32_t>(prompt.tokens.size()) - 1);
    if (i + 1 == prompt.targets.size()) break;
    prompt.tokens.push_back(prompt.targets[i]);
    prompt.positions.push_back(position++);
  }
  prompt.length = position;
  if (prompt.length > max_tokens) {
    return ResourceExhausted("example \"" + example.id + "\" has " + std::to_string(prompt.length) +
                             " tokens with its answer; at most " + std::to_string(max_tokens) +
                             " fit");
  }
  return prompt;
}

}  // namespace kvlink

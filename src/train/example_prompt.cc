#include "train/example_prompt.h"

#include <numeric>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/random.h"
#include "data/arrange.h"
#include "data/pieces.h"

namespace kvlink::train {
namespace {

// The paper cuts articles into pieces of 100 tokens, and of 220 those above 1,900 tokens (arXiv
// 2502.16002's code); in words, at the 4/3 tokens a word of English.
constexpr int64_t kPieceWords = 75, kLongPieceWords = 165, kLongWords = 1425;

PartKind KindIn(const data::Example& example, const TrainingPart& part) {
  return part.kind == PartKind::kByExample ? KindOf(example) : part.kind;
}

int64_t PieceWords(const data::Example& example, const TrainingPart& part) {
  if (part.piece_words > 0) return part.piece_words;
  int64_t words = 0;
  for (const data::ExampleDocument& document : example.documents)
    words += data::CountWords(document.text);
  return words > kLongWords ? kLongPieceWords : kPieceWords;
}

// As a user would paste them before the question.
void MoveDocumentsIntoQuestion(data::Example* example) {
  std::string text;
  for (const data::ExampleDocument& document : example->documents) {
    if (!document.title.empty()) text += document.title + "\n";
    text += document.text + "\n\n";
  }
  example->question = text + example->question;
  example->documents.clear();
  example->gold.clear();
}

Result<TrainingPrompt> MakeTextPrompt(const link::LinkableModel& model,
                                      const data::Example& example, int64_t max_tokens) {
  const text::Tokenizer& tokenizer = model.model().tokenizer();
  std::vector<int32_t> tokens;
  if (tokenizer.bos() >= 0) tokens.push_back(tokenizer.bos());
  const std::vector<int32_t> text = tokenizer.Encode(example.answers.front());
  tokens.insert(tokens.end(), text.begin(), text.end());
  if (static_cast<int64_t>(tokens.size()) > max_tokens) tokens.resize(max_tokens);
  if (tokens.size() < 2) {
    return InvalidArgument(example.place + ": field \"text\": a text of at least two tokens " +
                           "expected, one found");
  }
  TrainingPrompt prompt;
  prompt.id = example.id;
  prompt.place = example.place;
  prompt.targets.assign(tokens.begin() + 1, tokens.end());
  tokens.pop_back();
  prompt.tokens = std::move(tokens);
  prompt.positions.resize(prompt.tokens.size());
  std::iota(prompt.positions.begin(), prompt.positions.end(), 0);
  prompt.target_rows = prompt.positions;
  prompt.length = static_cast<int32_t>(prompt.tokens.size());
  return prompt;
}

}  // namespace

data::Example Arranged(data::Example example, const TrainingPart& part, const TrainOptions& options,
                       int64_t pass) {
  const PartKind kind = KindIn(example, part);
  if (kind == PartKind::kQaSegments || kind == PartKind::kQaPlain) {
    if (options.max_documents > 0) data::KeepDocuments(&example, options.max_documents);
    if (options.shuffle_documents) {
      data::ShuffleDocuments(&example, options.seed + static_cast<uint64_t>(pass));
    }
  }
  if (kind == PartKind::kSummary) data::CutIntoPieces(&example, PieceWords(example, part));
  if (kind == PartKind::kQaPlain || kind == PartKind::kChatPlain) {
    MoveDocumentsIntoQuestion(&example);
  }
  return example;
}

const Method& DrawnMethod(const TrainOptions& options, const data::Example& example, int64_t pass) {
  // Another stream than the one that shuffles the example's documents.
  Random random((options.seed + static_cast<uint64_t>(pass)) ^
                Xxh3(AsBytes("method of " + example.id)));
  return options.methods[random.Below(options.methods.size())];
}

Result<TrainingPrompt> MakeExamplePrompt(const link::LinkableModel& model,
                                         const data::Example& example, PartKind kind, bool full,
                                         model::AdapterScope scope, const Method& method,
                                         int64_t max_tokens) {
  if (kind == PartKind::kByExample) kind = KindOf(example);
  if (kind == PartKind::kText) return MakeTextPrompt(model, example, max_tokens);
  return MakeTrainingPrompt(model, example, full, scope, method, max_tokens);
}

Status CheckAnswers(const link::LinkableModel& model, const TrainingPart& part,
                    int64_t max_tokens) {
  for (const data::Example& example : part.examples) {
    if (example.kind == data::ExampleKind::kText) {  // longer ones are cut
      KVLINK_RETURN_IF_ERROR(MakeTextPrompt(model, example, max_tokens).status());
      continue;
    }
    const auto tokens =
        static_cast<int64_t>(text::RenderAnswer(model.prompt_template(), model.model().tokenizer(),
                                                example.answers.front())
                                 .size());
    if (tokens < max_tokens) continue;
    return InvalidArgument(
        example.place + ": field \"" +
        (example.kind == data::ExampleKind::kChat ? "messages\" (the last)" : "answers[0]\"") +
        ": fewer than " + std::to_string(max_tokens) +
        " tokens expected (the model's context, or --max-tokens), " + std::to_string(tokens) +
        " found in example \"" + example.id + "\"");
  }
  return {};
}

}  // namespace kvlink::train

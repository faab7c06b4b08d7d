#include "train/training_data.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "data/pieces.h"
#include "data/readers.h"

namespace kvlink::train {
namespace {

std::string_view Words(data::ExampleKind kind) {
  switch (kind) {
    case data::ExampleKind::kQuestion:
      return "a question over documents";
    case data::ExampleKind::kSummary:
      return "a text to summarise";
    case data::ExampleKind::kChat:
      return "a chat";
    case data::ExampleKind::kText:
      return "plain text";
  }
  return "";
}

data::ExampleKind Needed(PartKind kind) {
  switch (kind) {
    case PartKind::kChat:
    case PartKind::kChatPlain:
      return data::ExampleKind::kChat;
    case PartKind::kSummary:
      return data::ExampleKind::kSummary;
    case PartKind::kText:
      return data::ExampleKind::kText;
    default:
      return data::ExampleKind::kQuestion;
  }
}

void AppendPieces(const data::Example& example, std::vector<data::Example>* out) {
  const std::vector<std::string_view> pieces = data::CutText(example.answers.front(), kTextWords);
  for (size_t i = 0; i < pieces.size(); ++i) {
    data::Example piece = example;
    piece.answers = {std::string(pieces[i])};
    if (pieces.size() > 1) piece.id.append("-").append(std::to_string(i));
    out->push_back(std::move(piece));
  }
}

Status ReadFile(FileSystem& files, const std::string& path, int64_t limit, bool validation,
                TrainingPart* part, std::vector<DataFile>* read_files) {
  DataFile file{.path = path, .hash = {}, .examples = 0, .validation = validation};
  data::ReadExamplesOptions read;
  read.limit = limit;
  read.text_words = kTextWords;
  if (part->kind == PartKind::kSummary) read.kind = data::ExampleKind::kSummary;
  if (part->kind == PartKind::kQaSegments || part->kind == PartKind::kQaPlain) {
    read.kind = data::ExampleKind::kQuestion;
  }
  // One mapping: what was hashed is what was read.
  KVLINK_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> mapped, files.Map(path));
  file.hash = Sha256().Update(mapped->bytes()).Finish();
  Result<std::vector<data::Example>> from_bytes = data::ReadExamples(mapped->bytes(), path, read);
  KVLINK_RETURN_IF_ERROR(mapped->CheckUnchanged());
  mapped.reset();
  KVLINK_ASSIGN_OR_RETURN(std::vector<data::Example> examples, std::move(from_bytes));
  file.examples = static_cast<int64_t>(examples.size());
  read_files->push_back(std::move(file));
  for (data::Example& example : examples) {
    if (part->kind != PartKind::kByExample && Needed(part->kind) != example.kind) {
      return InvalidArgument(example.place + ": " + std::string(Words(Needed(part->kind))) +
                             " expected (kind " + std::string(Name(part->kind)) + "), " +
                             std::string(Words(example.kind)) + " found");
    }
    if (example.kind == data::ExampleKind::kText) {
      AppendPieces(example, &part->examples);
    } else {
      part->examples.push_back(std::move(example));
    }
  }
  return {};
}

}  // namespace

Result<TrainingData> ReadTrainingData(FileSystem& files, const TrainOptions& options) {
  if (options.mix.empty() == options.train.empty()) {
    return InvalidArgument(options.mix.empty()
                               ? "nothing to train on: --data FILE.. or --mix FILE expected"
                               : "--data and --mix exclude each other: a mixture names its data");
  }
  TrainingData data;
  if (!options.mix.empty()) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<MixturePart> parts, ReadMixture(files, options.mix));
    for (const MixturePart& mixed : parts) {
      TrainingPart part{mixed.kind, mixed.weight, mixed.piece_words, {}};
      const int64_t limit = mixed.limit > 0 ? mixed.limit : options.limit;
      for (const std::string& path : mixed.files) {
        KVLINK_RETURN_IF_ERROR(ReadFile(files, path, limit, false, &part, &data.files));
      }
      data.train.push_back(std::move(part));
    }
  } else {
    TrainingPart part;
    for (const std::string& path : options.train) {
      KVLINK_RETURN_IF_ERROR(ReadFile(files, path, options.limit, false, &part, &data.files));
    }
    data.train.push_back(std::move(part));
  }
  for (const std::string& path : options.valid) {
    KVLINK_RETURN_IF_ERROR(
        ReadFile(files, path, options.valid_limit, true, &data.valid, &data.files));
  }
  for (const TrainingPart& part : data.train) {
    if (part.examples.empty()) return InvalidArgument("a part of the training data has no example");
  }
  return data;
}

}  // namespace kvlink::train

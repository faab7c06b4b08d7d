// A mixture: several sets of examples, each with a weight and a way of becoming prompts, so that a
// model that learns to link loses nothing else. As the paper mixes (arXiv 2502.16002, section 4).
// The file is JSON, docs/training.md has its grammar. Not here: the examples (training_data.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "data/example.h"
#include "kvlink/status.h"

namespace kvlink::train {

// How an example becomes a prompt.
enum class PartKind : uint8_t {
  kByExample,   // as its own ExampleKind says
  kQaSegments,  // a question over documents that are blocks
  kQaPlain,     // a question whose own text holds the documents: no blocks
  kChat,        // earlier turns are blocks
  kChatPlain,   // earlier turns in the question's own text
  kSummary,     // pieces of an article are blocks
  kText,        // plain text: every token is predicted from those before it
};
std::string_view Name(PartKind kind);
PartKind KindOf(const data::Example& example);

struct MixturePart {
  std::string name;                // in messages; the file's pattern where it has none
  std::vector<std::string> files;  // at least one, sorted
  double weight = 1;               // share of the draws, against the sum of all
  PartKind kind = PartKind::kByExample;
  int64_t limit = 0;        // examples of each file; 0: all
  int64_t piece_words = 0;  // summaries: words of a piece; 0: the paper's rule
};

// Reads a mixture and finds its files; paths are relative to the mixture's folder, and the last
// part of a path may hold * and ?. kInvalidArgument, "PATH: field "parts[1].weight": .. expected,
// .. found", for the first thing that is wrong; kNotFound for a path that names no file.
Result<std::vector<MixturePart>> ReadMixture(FileSystem& files, const std::string& path);

// Whether a name fits a pattern of *, ? and plain characters.
bool FitsPattern(std::string_view name, std::string_view pattern);

}  // namespace kvlink::train

// One example to measure or to train on, whatever file it came from: a question, the documents it
// is asked over, and what a right answer is. Place: read by data/readers.h, used by eval and train.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kvlink::data {

enum class ExampleKind {
  kQuestion,  // documents, a question, a short answer
  kSummary,   // an article or dialogue cut into pieces, each a document; the answer is its summary
  kChat,      // earlier turns, a document a pair; the question is the last user's turn
  kText,      // plain text, in answers[0]; no documents, no question
};

struct ExampleDocument {
  std::string title;  // may be empty
  std::string text;
};

struct Example {
  std::string id;
  std::string dataset;  // "nq", "hotpotqa", ...: rows of a report are grouped by it
  ExampleKind kind = ExampleKind::kQuestion;
  std::string question;
  std::vector<std::string> answers;  // any of them is right; the first is what is trained on
  std::vector<ExampleDocument> documents;
  std::vector<int32_t> gold;  // indices of documents that hold the answer; may be empty
  std::string place{};        // "PATH:LINE" that it was read from
  // Where its gold document was moved to, of an example that is asked once for each such position.
  int32_t gold_position = -1;
};

}  // namespace kvlink::data

// Reading examples: questions over documents, summaries, chats and plain text, in the layouts their
// publishers use, plain or gzip'd. docs: each layout is described at ReadExamples. Not here: how
// documents are arranged (arrange.h) or rendered (text/template.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/example.h"
#include "kvlink/status.h"

namespace kvlink::data {

struct ReadExamplesOptions {
  std::string dataset;                   // not empty: stands in place of the file's own name
  std::optional<ExampleKind> kind;       // for lists of documents: kQuestion or kSummary
  int64_t limit = 0;                     // at most so many examples; 0: all
  int64_t max_bytes = int64_t{4} << 30;  // of the unpacked file
  int32_t squad_documents = 10;          // the paragraph and its distractors
  uint64_t squad_seed = 1;               // which distractors, and where the paragraph stands
  int64_t text_words = 300;              // plain text: words in an example, at most
};

// Reads `path`, which is recognised by what is in it: gzip by its first bytes; then JSON lines, a
// JSON array, one JSON object, or plain text. Each object is one of
//   documents  {"id", "dataset", "question", "answers": [..], "documents": [{"title", "text"}, ..],
//              "gold": [index, ..]}; id, dataset, title and gold may be missing. Datasets called
//              multinews and samsum are summaries, others questions
//   ctxs       lost-in-the-middle: question, answers, ctxs [{title, text, isgold}]
//   context    HotpotQA, 2WikiMultiHopQA: _id, question, answer, context [[title, [sentence, ..]]],
//              supporting_facts [[title, sentence]]
//   paragraphs MuSiQue: id, question, answer, answer_aliases, paragraphs [{title, paragraph_text,
//              is_supporting}]
//   data       SQuAD: [{title, paragraphs [{context, qas [{id, question, answers [{text}]}]}]}].
//              Documents are the question's paragraph and distractors of the same file, those that
//              hold no answer first, shuffled by squad_seed
//   messages   a chat: [{role, content}], the last by the assistant: that is the answer; the turn
//              before it is the question, earlier turns are documents "User: ..\nAssistant: ..".
//              System messages are left out
//   text       plain text, one example an object
// A plain text is cut into examples of text_words words. Questions marked as unanswerable
// (SQuAD 2.0's is_impossible, MuSiQue's answerable) are left out. Example::dataset is
// options.dataset, else the object's field, else the file's name without its endings.
//
// kInvalidArgument in one line, "PATH:LINE: field "x": .. expected, .. found", for the first thing
// that is wrong, and for a file that holds no example; kNotFound and kUnavailable as FileSystem
// says.
Result<std::vector<Example>> ReadExamples(FileSystem& files, const std::string& path,
                                          const ReadExamplesOptions& options);
// Of a file's bytes; `path` is its name. Whoever mapped it looks at CheckUnchanged() first: what is
// wrong with the examples may come of it.
Result<std::vector<Example>> ReadExamples(std::span<const std::byte> bytes, const std::string& path,
                                          const ReadExamplesOptions& options);

}  // namespace kvlink::data

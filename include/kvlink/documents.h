// Values about documents: what the list of documents knows of each, what a search found, what the
// documents say for an answer. Filled by src/retrieval, given to users by kvlink/library.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvlink {

// How a document's file stands now. kGone: there is no such file any more. kUnknown: it cannot be
// looked at, was no file (standard input, a kept answer), or nobody looked.
enum class SourceState { kUnknown, kSame, kChanged, kGone };

// In what the place of a document in its source is told. Bytes count from 0; pages of a PDF,
// chapters of a book and paragraphs of a text document from 1. The numbers are stored: they never
// change meaning.
enum class PlaceUnit : uint8_t { kByte = 0, kPage = 1, kChapter = 2, kParagraph = 3 };

struct IndexedDocument {
  std::string id;  // 16 hex digits over title and text
  std::string title;
  std::string text;
  std::string source;  // an absolute path; "-" or a name for standard input; "answer:" and an id
  int64_t begin = 0;   // in `unit`s of the source
  int64_t end = 0;     // behind the last
  PlaceUnit unit = PlaceUnit::kByte;
  int64_t tokens = 0;  // rendered, under the model that indexed it last
  bool pinned = false;
  SourceState source_state = SourceState::kUnknown;  // filled by whoever looks at the file
};

enum class HowFound : uint8_t {
  kMatched,     // by the question's words
  kFileNamed,   // the question names a file: only its documents were looked at
  kMostRecent,  // no document has a word of the question: those indexed last
};

struct SearchHit {
  IndexedDocument document;
  double score = 0;     // larger is better; comparable between hits of one question (0: not ranked)
  double coverage = 0;  // 0..1: the share of the question's words, weighed by rarity, that it has
};

struct SearchResult {
  std::vector<SearchHit> hits;  // best first
  HowFound how = HowFound::kMatched;
  // What the reader should be told, in one sentence, or empty: that these are only the most recent
  // documents, that a file was named, which word was searched for instead of another.
  std::string note;
};

// The sentence that supports an answer.
struct Evidence {
  size_t passage = 0;  // its index
  size_t begin = 0;    // the sentence: bytes of the passage's text
  size_t end = 0;
  // 0..1: the mean of the shares of the answer's and the question's words that the sentence has,
  // each word weighed by how few of the sentences have it, so that names and numbers weigh most.
  double confidence = 0;
};

// Whether the documents seem to hold what was asked.
struct Grounding {
  double score = 0;  // 0..1: larger is better
  bool grounded = true;
  std::string why;  // where it is not: the signs that speak against it, one line
};

}  // namespace kvlink

// The public interface for documents: a Library reads texts, splits and lists them, finds the
// passages of a question, answers over them, and keeps their blocks. It owns one list of documents
// (documents.sqlite), one store of blocks and at most one Engine. Each is opened when something
// first needs it: listing, searching, pinning and forgetting need no model.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/documents.h"
#include "kvlink/engine.h"
#include "kvlink/status.h"

namespace kvlink {

struct LibraryOptions {
  std::string store_path;    // the folder of blocks and documents.sqlite
  int64_t budget_bytes = 0;  // of blocks; 0: no limit
  // The model. Its store, store_path, store_budget_bytes, rules and `warn` are the library's to
  // set.
  EngineOptions engine;
  // Asked once, before the model is opened, to complete `engine`. May be empty.
  std::function<Status(EngineOptions*)> find_model;
  // One line each; may be called from any thread that calls the library. May be empty.
  std::function<void(std::string_view)> warn;
};

// Which documents the words of a user name: by id, by file or folder, by pattern.
struct NamedDocuments {
  std::vector<IndexedDocument> documents;  // by source and place
  // Named by id: the text, wherever it stands. The others are named by their sources.
  std::set<std::string> ids;
  std::set<std::string> sources;
  std::string ambiguity;  // a word that means two things, and which, in one line; empty: none
};

// A file of the list, or another source.
struct ListedSource {
  std::string source;
  int64_t documents = 0;
  int64_t tokens = 0;
  int64_t pinned = 0;  // documents
  SourceState state = SourceState::kUnknown;
};

struct Question {
  Request request;                     // its documents are the library's to fill
  std::vector<std::string> documents;  // words as List takes them; not empty: no search
  // Most passages from search, 0: none; nothing: as many as answer best.
  std::optional<int> top_k;
};

// What is answered from, in prompt order: the best passage stands last.
struct Passages {
  std::vector<IndexedDocument> documents;
  // Of the question's words, the largest share that a document has; nothing: no words found them.
  std::optional<double> coverage;
  bool ranked =
      false;  // found by search: where not all fit the context, the first is dropped first
};

// What the documents say for an answer.
struct AnswerSupport {
  std::optional<Evidence> evidence;    // its passage: an index into Passages::documents
  std::optional<Grounding> grounding;  // nothing: not judged
};

struct LibraryAnswer {
  Answer answer;
  Passages passages;
  AnswerSupport support;
};

struct KeptAnswer {
  IndexedDocument document;  // its source is "answer:" and its id
  int64_t tokens = 0;        // rendered
  std::string status;        // "computed", "unchanged" (an equal document had a block)
  double encode_ms = 0;
};

struct Forgotten {
  std::set<std::string> ids;  // documents that stand nowhere any more
  int64_t blocks = 0;         // removed from the store
};

// No exception leaves it but std::bad_alloc. Thread promise: every method may be called from any
// thread; what runs the model waits for its turn (kvlink/engine.h).
class Library {
 public:
  // Opens nothing yet. kInvalidArgument: no store_path, or a negative budget.
  static Result<std::unique_ptr<Library>> Open(LibraryOptions options);
  virtual ~Library() = default;

  // Where nothing is indexed these give kNotFound, and what to do.
  // As DocumentIndex: the best first, at most `limit`.
  virtual Result<SearchResult> Search(std::string_view question, int limit) = 0;
  // Each word is the path of an indexed file or of a folder with some, or the name of another
  // source; else an id or at least four letters of its beginning; else a pattern (* ? [..]). No
  // words: all documents. kNotFound names the word that means nothing; kInvalidArgument an
  // ambiguous id or an empty word.
  virtual Result<NamedDocuments> List(const std::vector<std::string>& words) = 0;
  // The same for Forget and Pin: a word that may mean two things is kInvalidArgument, and a list
  // that may not be written an error.
  virtual Result<NamedDocuments> ListToChange(const std::vector<std::string>& words) = 0;
  virtual Result<std::vector<ListedSource>> Sources(const NamedDocuments& named) = 0;
  // The document at its first place.
  virtual Result<IndexedDocument> Show(const std::string& id) = 0;

  // By id a document goes from all its places; by source, a text that another source has too stays
  // there. Its blocks go, pinned or not.
  virtual Result<Forgotten> Forget(const NamedDocuments& named) = 0;
  // Pinned documents' blocks are never evicted. Returns how many blocks of theirs are stored.
  virtual Result<int64_t> Pin(const NamedDocuments& named, bool pinned) = 0;

  // The passages to answer from, as named or as found; warns of files that changed since.
  // kFailedPrecondition: the request is strict, and no document has a word of the question.
  virtual Result<Passages> Find(const Question& question) = 0;
  // Find, and the engine's answer over what was found. Errors as of both.
  virtual Result<LibraryAnswer> Ask(const Question& question, const TextSink& sink = {}) = 0;
  // The same over passages that were found before.
  virtual Result<LibraryAnswer> AskOver(const Request& request, const Passages& passages,
                                        const TextSink& sink = {}) = 0;
  // The answer becomes a document, without the white space around it, and its block is computed.
  // kInvalidArgument: it has no text, or more than the context holds; kResourceExhausted: the block
  // could not be kept, and nothing is; kFailedPrecondition: the store is read-only.
  virtual Result<KeptAnswer> Keep(const std::string& answer, const std::string& title) = 0;
  // Whether Keep has a list to write to, before anything is answered.
  virtual Status CheckKeeping() = 0;

  // The model, opened now if it was not. Lives as long as the library.
  virtual Result<Engine*> OpenEngine() = 0;
};

}  // namespace kvlink

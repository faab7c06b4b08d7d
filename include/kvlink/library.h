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
#include "kvlink/enums.h"
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

// What is indexed, and how.
struct IndexSources {
  std::vector<std::string> paths;  // files, folders; "-": standard input
  std::string input_name;          // of standard input, as a file's; empty: none
  // Gives standard input, or kInvalidArgument above so many bytes; kCancelled stops the run.
  std::function<Result<std::string>(int64_t max_bytes)> read_input;
  int max_tokens = 200;   // of a document; longer is split
  std::string text_key;   // of a .jsonl line; empty: text, contents or content
  std::string title_key;  // of a .jsonl line; empty: title
  bool prune = false;     // forget documents whose files below the paths are gone
  bool yes = false;       // with prune: even if all files of a folder or disk are gone
  // How many blocks are computed now, those of the most used documents, then of the newest.
  // Nothing: all, as far as budget and disk have room. The other documents' are computed when they
  // are asked for.
  std::optional<int64_t> most_blocks;
  std::optional<int64_t> most_block_bytes;  // that blocks computed now may take; nothing: no limit
};

// What became of one document.
struct IndexedLine {
  std::string id;
  std::string title;  // of an empty source its file's name
  int64_t tokens = 0;
  IndexStatus status = IndexStatus::kUnchanged;
};

// Of the documents without blocks, before any is computed.
struct IndexCost {
  int64_t documents = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;          // on disk, of all their blocks
  int64_t planned = 0;        // blocks that are computed now
  int64_t planned_bytes = 0;  // of these
  int64_t free_bytes = -1;    // of the store's disk; -1: not known
  double ms = -1;             // for the planned ones; -1: not measured, for they are few
};

struct IndexProgress {
  int64_t sources = 0, sources_done = 0;  // while they are read
  int64_t documents = 0;                  // listed; then done
  int64_t documents_total = 0;            // 0: sources are still read
  double tokens_per_s = 0;                // computed; 0: none yet
  double remaining_ms = -1;               // -1: not known
};

// Told of a run of indexing, by the thread that runs it.
class IndexObserver {
 public:
  virtual ~IndexObserver() = default;
  // In input order; what is told of is kept, whatever happens then.
  virtual void OnDocument(const IndexedLine&) {}
  virtual void OnProgress(const IndexProgress&) {}  // often
  // All documents are listed, no block is computed yet. An error ends the run.
  virtual Status OnCost(const IndexCost&) { return {}; }
};

struct IndexReport {
  int64_t sources = 0;                    // that were found
  std::map<std::string, int64_t> others;  // files that are not read, by ending (".pdf"; "": none)
  // Sources, entries, lines and documents that were left out, a line each.
  std::vector<std::string> failures;
  std::vector<std::string> notes;  // what was read, but not as it stood, a line each
  int64_t computed = 0;
  int64_t computed_tokens = 0;
  int64_t unchanged = 0;
  int64_t removed = 0;
  double encode_ms = 0;       // of the computed ones
  int64_t without_block = 0;  // computed when they are asked for
  int64_t listed = 0;         // of them, those that are new
  // What kept documents from a block, if anything did: the caller, the store's budget, its disk.
  enum class Limit { kNone, kAsked, kBudget, kDisk };
  Limit limit = Limit::kNone;
  bool started = false;  // documents are listed, and OnCost agreed to what blocks take
  bool interrupted = false;
  int64_t left = 0;         // documents not reached when interrupted; -1: not all were counted
  int64_t store_bytes = 0;  // of all blocks in the store afterwards
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
  IndexedDocument document;                       // its source is "answer:" and its id
  int64_t tokens = 0;                             // rendered
  EncodeStatus status = EncodeStatus::kComputed;  // kUnchanged: an equal document had a block
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

  // Reads the sources, splits and lists what changed, and computes blocks; a later run goes on
  // where this one stopped. Memory does not grow with what is indexed, but with its largest file
  // (.jsonl files are read in pieces). Only faults of the store, the list and the disk are errors,
  // and what OnCost says; what was told before stays, and the report is filled up to there. The
  // fault of a source or document is a line of the report. `observer` may be nullptr.
  virtual Status Index(const IndexSources& sources, IndexReport* report,
                       IndexObserver* observer = nullptr, std::stop_token stop = {}) = 0;
  // Computes up to `most` blocks of the most used documents that have none, as far as budget and
  // disk have room; of equal ones, those listed last. Returns how many.
  virtual Result<int64_t> Warm(int64_t most, std::stop_token stop = {}) = 0;

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

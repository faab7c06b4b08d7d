#include "library/listing.h"

#include <charconv>
#include <utility>

#include "base/hash.h"
#include "library/label.h"
#include "library/source_names.h"

namespace kvlink::library {
namespace {

// A batch is written at once: so large that committing costs little, so small that others wait for
// the list no more than some tenths of a second.
constexpr int64_t kBatchDocuments = 256;
constexpr int64_t kBatchBytes = 2 << 20;

}  // namespace

uint64_t ShortId(const std::string& id) {
  uint64_t number = 0;
  (void)std::from_chars(id.data(), id.data() + id.size(), number, 16);
  return number;
}

Listing::Listing(const IndexSources& sources, retrieval::ReadOptions read_options,
                 const Engine& engine, retrieval::DocumentIndex& index, IndexObserver& observer,
                 std::stop_token stop, IndexReport* report)
    : sources_(sources),
      read_options_(std::move(read_options)),
      engine_(engine),
      index_(index),
      observer_(observer),
      stop_(std::move(stop)),
      report_(*report),
      space_(engine.BlockSpace()) {}

Status Listing::Run(const std::vector<std::string>& names) {
  KVLINK_ASSIGN_OR_RETURN(states_, index_.FileStates());
  progress_.sources = static_cast<int64_t>(names.size());
  for (const std::string& name : names) {
    Progress();
    if (stop_.stop_requested()) report_.interrupted = true;
    if (!report_.interrupted) KVLINK_RETURN_IF_ERROR(Read(name));
    if (report_.interrupted) break;
    ++progress_.sources_done;
  }
  return Flush();
}

void Listing::Progress() { observer_.OnProgress(progress_); }

Result<retrieval::SourceBytes> Listing::ReadBytes(const std::string& name) {
  if (name != InputSource(sources_)) {
    return retrieval::ReadSourceBytes(FileSystem::Posix(), name, read_options_);
  }
  if (!sources_.read_input) return InvalidArgument("there is no standard input to read");
  KVLINK_ASSIGN_OR_RETURN(std::string bytes, sources_.read_input(read_options_.max_file_bytes));
  // (Emptied files lose their documents; a pipe without a word has most likely failed.)
  if (bytes.empty()) {
    return InvalidArgument("standard input is empty: nothing was indexed or forgotten");
  }
  return retrieval::SourceBytesOf(name, std::move(bytes), read_options_);
}

Status Listing::Read(const std::string& name) {
  outcomes_.push_back({.name = name});
  Result<retrieval::SourceBytes> source = ReadBytes(name);
  if (source.code() == StatusCode::kCancelled) {
    report_.interrupted = true;
    return {};
  }
  if (!source.ok()) {
    outcomes_.back().failed = true;
    report_.failures.push_back(source.status().message() + "; left out");
    return {};
  }
  source->content_hash = ToHex(Sha256().Field(source->content_hash).Field(space_).Finish());
  KVLINK_ASSIGN_OR_RETURN(const bool unchanged,
                          index_.IsUnchanged(source->path, source->content_hash));
  return unchanged ? RecordState(*source) : Split(*source);
}

// The bytes are the same; where the file was touched or moved, it need not be read again for that.
Status Listing::RecordState(const retrieval::SourceBytes& source) {
  const retrieval::FileState& now = source.state;
  const retrieval::FileState& before = states_[source.path];
  if (now.size_bytes == before.size_bytes && now.modified_ms == before.modified_ms &&
      now.device == before.device) {
    return {};
  }
  return index_.SetFileState(source.path, now);
}

Status Listing::Split(const retrieval::SourceBytes& source) {
  const size_t place = outcomes_.size() - 1;
  pending_.push_back({.place = place, .documents = {}, .finished = {}});
  Result<retrieval::SourceFile> file = retrieval::SplitSource(
      FileSystem::Posix(), source, read_options_,
      [this](std::string_view text) { return engine_.CountTokens(text); },
      [this](retrieval::SourceDocument document) { return Take(std::move(document)); });
  if (report_.interrupted) return {};  // what was taken stays listed, the source unfinished
  if (write_failed_) return file.status();
  SourceOutcome& outcome = outcomes_[place];
  if (!file.ok()) {
    outcome.failed = true;
    report_.failures.push_back(file.status().message() + "; left out");
    return {};
  }
  if (source.path == kStandardInput && states_.contains(source.path)) {
    report_.notes.emplace_back(
        "the earlier text of standard input is replaced; --name NAME keeps texts apart");
  }
  // What there is to say of a source is said by every run: it is split again by the next one.
  if (!file->notes.empty() || !file->failures.empty()) file->content_hash.clear();
  for (std::string& note : file->notes) report_.notes.push_back(std::move(note));
  for (const std::string& failure : file->failures) {
    report_.failures.push_back(failure + "; left out");
  }
  file->notes.clear();
  file->failures.clear();
  pending_.back().finished = *std::move(file);
  return pending_.size() < kBatchDocuments ? Status() : Flush();
}

Status Listing::Take(retrieval::SourceDocument document) {
  Progress();
  if (stop_.stop_requested()) {
    report_.interrupted = true;
    return Cancelled("index: stopped");
  }
  Described described = engine_.Describe(ToEngine(document));
  pending_bytes_ += static_cast<int64_t>(document.text.size() + document.title.size());
  pending_.back().documents.push_back({std::move(document), std::move(described)});
  ++progress_.documents;
  if (++pending_documents_ < kBatchDocuments && pending_bytes_ < kBatchBytes) return {};
  const size_t place = pending_.back().place;
  Status flushed = Flush();
  write_failed_ = !flushed.ok();
  pending_.push_back({.place = place, .documents = {}, .finished = {}});
  return flushed;
}

Status Listing::Flush() {
  std::vector<PendingSource> batch = std::exchange(pending_, {});
  pending_documents_ = pending_bytes_ = 0;
  if (batch.empty()) return {};
  return index_.InBatch([&]() -> Status {
    for (PendingSource& source : batch) KVLINK_RETURN_IF_ERROR(Write(source));
    return {};
  });
}

Status Listing::Write(PendingSource& source) {
  Taken& taken = taken_[source.place];
  for (const auto& [document, described] : source.documents) {
    KVLINK_ASSIGN_OR_RETURN(const bool known, index_.IsListed(document.id));
    const Status added = index_.Add(document, static_cast<int64_t>(taken.ids.size()),
                                    described.tokens, described.block, space_);
    if (added.code() == StatusCode::kInvalidArgument) {  // of this document; others are the index's
      report_.failures.push_back(document.source + ": " + added.message() + "; left out");
      taken.incomplete = true;
      continue;
    }
    KVLINK_RETURN_IF_ERROR(added);
    if (!known) new_.insert(ShortId(document.id));
    taken.ids.push_back(document.id);
  }
  if (!source.finished) return {};
  if (taken.incomplete) source.finished->content_hash.clear();
  SourceOutcome& outcome = outcomes_[source.place];
  outcome.empty = taken.ids.empty();
  KVLINK_ASSIGN_OR_RETURN(outcome.removed, index_.FinishSource(*source.finished, taken.ids));
  taken_.erase(source.place);
  return {};
}

}  // namespace kvlink::library

#include "cli/indexing.h"

#include <algorithm>
#include <set>

#include "base/absolute_path.h"
#include "base/clock.h"
#include "base/hash.h"
#include "cli/default_paths.h"
#include "cli/index_cost.h"
#include "cli/interrupt.h"
#include "cli/standard_input.h"
#include "library/document_blocks.h"
#include "library/label.h"
#include "library/named_documents.h"
#include "library/source_check.h"

namespace kvlink::cli {
namespace {

constexpr char kStandardInput[] = "-";  // as a path

// The source that its documents belong to. Those of files are absolute paths.
std::string InputSource(const IndexOptions& options) {
  return options.name.empty() ? kStandardInput : options.name;
}

// A name for everything on the model's side that decides blocks: the block ids of two probes, for
// the template treats titled and untitled documents apart.
std::string ModelKey(const Engine& engine) {
  return engine.BlockIdOf({"", "probe", "probe", ""}) + engine.BlockIdOf({"", "", "probe", ""});
}

// Whether a path to prune is there to be read. A folder that lost many files at once has more
// likely lost its disk.
Result<bool> CheckPruned(const std::string& given, bool yes,
                         const std::vector<std::string>& indexed) {
  constexpr int64_t kMany = 2;
  if (given.empty()) return InvalidArgument("--prune: a path is empty: a file or folder expected");
  const std::string path = AbsolutePath(given);
  const int64_t lost = std::count_if(indexed.begin(), indexed.end(),
                                     [&](const auto& source) { return IsUnder(source, path); });
  KVLINK_ASSIGN_OR_RETURN(const bool there, Exists(FileSystem::Posix(), path));
  if (!there && lost == 0) {
    return NotFound("--prune: " + given + ": there is no such file or folder");
  }
  const bool was_file = std::find(indexed.begin(), indexed.end(), path) != indexed.end();
  bool suspicious = !there && !was_file;
  if (there && lost >= kMany) {
    const Result<std::vector<FileInfo>> entries = FileSystem::Posix().List(path);
    suspicious = entries.ok() && entries->empty();
  }
  if (suspicious && !yes) {
    return FailedPrecondition("--prune: " + given + (there ? " is empty" : " is not there") +
                              ", and " + FormatCounted(lost, "indexed file") +
                              " lay in it; if its disk is mounted, forget them with --yes");
  }
  return there;
}

// Of the folder that is left of a path.
int64_t DeviceNearest(FileSystem& files, std::string path) {
  while (path.size() > 1) {
    path = FolderOf(path);
    const Result<FileInfo> info = files.Stat(path);
    if (info.ok()) return info->device;
  }
  return 0;
}

}  // namespace

Result<FoundSources> SourcesOf(const IndexOptions& options,
                               const std::vector<std::string>& indexed) {
  std::vector<std::string> paths;
  for (const std::string& given : options.paths) {
    bool keep = true;
    if (options.prune && given != kStandardInput) {
      KVLINK_ASSIGN_OR_RETURN(keep, CheckPruned(given, options.yes, indexed));
    }
    if (keep) paths.push_back(given);
  }
  FoundSources found = FindSources(FileSystem::Posix(), paths);
  std::replace(found.paths.begin(), found.paths.end(), std::string(kStandardInput),
               InputSource(options));
  return found;
}

Indexing::Indexing(Session& session, const IndexOptions& options, Engine& engine,
                   DocumentIndex& index, DiskStore& store)
    : session_(session),
      options_(options),
      engine_(engine),
      index_(index),
      store_(store),
      budget_bytes_(static_cast<int64_t>(session.options().budget_bytes)),
      model_key_(ModelKey(engine)),
      bar_(session.console(), "indexing", session.chatty()) {
  read_options_.keys = options.keys;
  // A document shares the context with the question and the answer.
  const int64_t most_tokens = std::max<int64_t>(1, engine.model().context_tokens / 2);
  read_options_.max_tokens = static_cast<int>(std::min<int64_t>(options.max_tokens, most_tokens));
  if (read_options_.max_tokens < options.max_tokens) {
    session.Warn("--max-tokens " + std::to_string(options.max_tokens) +
                 " is more than half of the model's context of " +
                 std::to_string(engine.model().context_tokens) + " tokens: documents are cut at " +
                 std::to_string(read_options_.max_tokens));
  }
}

Status Indexing::Run(const std::vector<std::string>& sources) {
  start_ms_ = Clock::System().MonotonicMs();
  KVLINK_RETURN_IF_ERROR(LearnBlocks(index_, store_));
  KVLINK_RETURN_IF_ERROR(LoadKnown());
  if (budget_bytes_ > 0) {
    KVLINK_ASSIGN_OR_RETURN(const DiskStoreStats stats, store_.Stats());
    stored_bytes_ = stats.bytes;
  }
  KVLINK_RETURN_IF_ERROR(ReadAll(sources));
  if (report_.interrupted) {
    report_.left = -1;
    return {};
  }
  KVLINK_RETURN_IF_ERROR(TellCost());
  report_.started = true;
  for (Source& source : work_) {
    if (source.failed) continue;
    KVLINK_RETURN_IF_ERROR(Encode(source));
    if (report_.interrupted) break;
    KVLINK_RETURN_IF_ERROR(Finish(source));
  }
  report_.left = total_documents_ - done_documents_;
  if (options_.prune && !report_.interrupted) KVLINK_RETURN_IF_ERROR(Prune(sources));
  // Their rows are gone already; if this is not reached, the next run does it.
  KVLINK_ASSIGN_OR_RETURN(const std::string folder, session_.store_path());
  KVLINK_RETURN_IF_ERROR(RemoveForgotten(folder, index_, store_).status());
  if (options_.prune || report_.interrupted) return {};
  return WarnOfOtherStale(index_, {sources.begin(), sources.end()},
                          [this](std::string_view message) { session_.Warn(message); });
}

Status Indexing::LoadKnown() {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<IndexedDocument> documents, index_.List());
  for (const IndexedDocument& document : documents) {
    known_[document.id] = document;
    known_by_source_[document.source].push_back(document);
  }
  KVLINK_ASSIGN_OR_RETURN(states_, index_.FileStates());
  return {};
}

Status Indexing::ReadAll(const std::vector<std::string>& sources) {
  for (const std::string& name : sources) {
    if (Interrupted()) {
      report_.interrupted = true;
      return {};
    }
    Source source;
    source.name = name;
    KVLINK_RETURN_IF_ERROR(Read(source));
    if (report_.interrupted) return {};
    total_documents_ +=
        static_cast<int64_t>(source.unchanged ? source.known.size() : source.file.documents.size());
    for (const SourceDocument& document : source.file.documents) {
      total_bytes_ += static_cast<int64_t>(document.text.size());
    }
    work_.push_back(std::move(source));
  }
  return {};
}

Status Indexing::Read(Source& source) {
  // A source that cannot be read leaves the others, and what was known of it, as they are.
  const auto fail = [&](const Status& why) {
    source.failed = true;
    report_.failures.push_back(why.message() + "; left out");
    return Status();
  };
  if (source.name == InputSource(options_)) {
    Result<std::string> bytes =
        ReadStandardInput(read_options_.max_file_bytes, "cut it into files");
    if (bytes.code() == StatusCode::kCancelled) {
      report_.interrupted = true;
      return {};
    }
    if (!bytes.ok()) return fail(bytes.status());
    standard_input_ = *std::move(bytes);
    // (Emptied files lose their documents; a pipe without a word has most likely failed.)
    if (standard_input_.empty()) {
      return fail(InvalidArgument("standard input is empty: nothing was indexed or forgotten"));
    }
  }

  // The hash does not need tokens counted, and that is what takes time.
  Result<SourceFile> file = Parse(source, [](std::string_view) -> int64_t { return 0; });
  if (!file.ok()) return fail(file.status());
  const std::string key = ToHex(Sha256().Field(file->content_hash).Field(model_key_).Finish());
  KVLINK_ASSIGN_OR_RETURN(source.unchanged, index_.IsUnchanged(file->path, key));
  if (!source.unchanged) {
    file = Parse(source, [this](std::string_view text) { return engine_.CountTokens(text); });
    if (!file.ok()) return fail(file.status());
  }
  source.file = *std::move(file);
  source.empty = source.file.documents.empty();
  // (A file that changed between the two readings counts as changed next time.)
  source.file.content_hash = key;
  if (source.unchanged) {
    source.known = known_by_source_[source.file.path];
    source.file.documents.clear();
    KVLINK_RETURN_IF_ERROR(RecordState(source));
  }
  const auto append = [](std::vector<std::string>& all, const std::vector<std::string>& some) {
    all.insert(all.end(), some.begin(), some.end());
  };
  if (source.name == kStandardInput && known_by_source_.contains(source.name) &&
      !source.unchanged) {
    source.file.notes.emplace_back(
        "the earlier text of standard input is replaced; --name NAME keeps texts apart");
  }
  append(report_.notes, source.file.notes);
  for (const std::string& failure : source.file.failures) {
    report_.failures.push_back(failure + "; left out");
  }
  return {};
}

Result<SourceFile> Indexing::Parse(const Source& source,
                                   const std::function<int64_t(std::string_view)>& count_tokens) {
  return source.name == InputSource(options_)
             ? ReadSourceText(source.name, standard_input_, read_options_, count_tokens)
             : ReadSource(files_, source.name, read_options_, count_tokens);
}

// The bytes are the same; where the file was touched or moved, it need not be read again for that.
Status Indexing::RecordState(const Source& source) {
  const FileState& now = source.file.state;
  const FileState& before = states_[source.file.path];
  if (now.size_bytes == before.size_bytes && now.modified_ms == before.modified_ms &&
      now.device == before.device) {
    return {};
  }
  return index_.SetFileState(source.file.path, now);
}

// Before anything is encoded, what the documents without blocks will take.
Status Indexing::TellCost() {
  std::vector<const SourceDocument*> documents;
  std::set<std::string> ids;
  for (const Source& source : work_) {
    for (const SourceDocument& document : source.file.documents) {
      if (!ids.insert(document.id).second) continue;
      if (!HasBlock(engine_.BlockIdOf(ToEngine(document)))) documents.push_back(&document);
    }
  }
  const int64_t budget_left =
      budget_bytes_ > 0 ? std::max<int64_t>(0, budget_bytes_ - stored_bytes_) : -1;
  IndexCost cost = EstimateCost(engine_, documents, budget_left);
  KVLINK_ASSIGN_OR_RETURN(const std::string store, session_.store_path());
  cost.free_bytes = FreeBytes(store);
  if (Judge(cost) != CostVerdict::kSmall) MeasureTime(engine_, documents, &cost);
  return Agree(cost, options_.yes, session_);
}

Status Indexing::Encode(Source& source) {
  if (source.empty) report_.documents.push_back({"", FileName(source.name), 0, "empty"});
  for (const IndexedDocument& document : source.known) {
    if (Interrupted()) {
      report_.interrupted = true;
      return {};
    }
    KVLINK_RETURN_IF_ERROR(EncodeKnown(document));
    ++done_documents_;
    Draw();
  }
  std::vector<SourceDocument> taken;
  for (SourceDocument& document : source.file.documents) {
    if (Interrupted()) {
      report_.interrupted = true;
      return {};
    }
    const auto bytes = static_cast<int64_t>(document.text.size());
    KVLINK_ASSIGN_OR_RETURN(const bool took,
                            EncodeNew(source, document, static_cast<int64_t>(taken.size())));
    if (took) taken.push_back(std::move(document));
    ++done_documents_;
    done_bytes_ += bytes;
    Draw();
  }
  source.file.documents = std::move(taken);
  return {};
}

Status Indexing::EncodeKnown(const IndexedDocument& document) {
  IndexedLine line{document.id, document.title, document.tokens, "unchanged"};
  const Document rendered = ToEngine(document);
  const std::string block = engine_.BlockIdOf(rendered);
  if (HasBlock(block)) {
    ++report_.unchanged;
  } else if (!HasRoom(BlockBytes(engine_.model(), document.tokens,
                                 static_cast<int64_t>(rendered.label.size())))) {
    ++report_.unchanged;
    ++report_.without_block;
  } else {
    const Status added = index_.AddBlockOfKnown(document.id, block);
    if (added.code() == StatusCode::kNotFound) return {};
    KVLINK_RETURN_IF_ERROR(added);
    KVLINK_ASSIGN_OR_RETURN(const bool encoded, EncodeOne(rendered, &line));
    // Without a block it is still known, and what is wrong is said.
    if (!encoded && WasRemoved(document.id)) return {};
  }
  report_.documents.push_back(std::move(line));
  return {};
}

Result<bool> Indexing::EncodeNew(Source& source, const SourceDocument& document, int64_t ordinal) {
  const Document rendered = ToEngine(document);
  const std::string block = engine_.BlockIdOf(rendered);
  const int64_t tokens = engine_.CountDocumentTokens(rendered);
  IndexedLine line{document.id, document.title, tokens, "listed"};
  // The row before the block: a block that no row names would outlive its document.
  const Status added = index_.Add(document, ordinal, tokens, block);
  if (added.code() == StatusCode::kInvalidArgument) {  // of this document; others are the index's
    report_.failures.push_back(document.source + ": " + added.message() + "; left out");
    source.incomplete = true;
    return false;
  }
  KVLINK_RETURN_IF_ERROR(added);
  if (HasBlock(block) ||
      HasRoom(BlockBytes(engine_.model(), tokens, static_cast<int64_t>(rendered.label.size())))) {
    KVLINK_ASSIGN_OR_RETURN(const bool encoded, EncodeOne(rendered, &line));
    if (!encoded) {
      source.incomplete = true;
      // What this model cannot encode others may have, so a known document stays in the list.
      if (known_.count(document.id) == 0 || WasRemoved(document.id)) return false;
      ++report_.without_block;
    }
  } else {
    ++report_.listed;
    ++report_.without_block;
  }
  report_.documents.push_back(std::move(line));
  return true;
}

bool Indexing::WasRemoved(const std::string& id) {
  return index_.Get(id).code() == StatusCode::kNotFound;
}

bool Indexing::HasBlock(const std::string& block) {
  const Result<BlockId> id = DigestFromHex(block);
  return id.ok() && store_.Contains(*id);
}

// A block that would throw out others, or go itself, is not worth its computing.
bool Indexing::HasRoom(int64_t bytes) {
  return budget_bytes_ <= 0 || stored_bytes_ + bytes <= budget_bytes_;
}

Result<bool> Indexing::EncodeOne(const Document& document, IndexedLine* line) {
  const double before_ms = Clock::System().MonotonicMs();
  const Result<Encoded> encoded = engine_.Encode(document);
  if (!encoded.ok()) {
    report_.failures.push_back("document " + document.id + " (" + line->title +
                               "): " + encoded.status().message() + "; left out");
    return false;
  }
  if (encoded->status == "computed") {
    if (!encoded->why.empty() && WasRemoved(document.id)) return false;
    if (!encoded->why.empty()) {
      // Indexing whose blocks are not kept is for nothing, and the next one would not be either.
      return ResourceExhausted("the block of document " + document.id +
                               " could not be kept: " + encoded->why);
    }
    ++report_.computed;
    report_.computed_tokens += encoded->tokens;
    report_.encode_ms += Clock::System().MonotonicMs() - before_ms;
    stored_bytes_ +=
        BlockBytes(engine_.model(), encoded->tokens, static_cast<int64_t>(document.label.size()));
    const auto known = known_.find(document.id);
    if (known != known_.end() && known->second.pinned) {
      const Status pinned = engine_.PinBlock(document, true);  // it may be evicted already
      if (pinned.code() != StatusCode::kNotFound) KVLINK_RETURN_IF_ERROR(pinned);
    }
  } else if (encoded->status == "unchanged") {
    ++report_.unchanged;
  }
  line->tokens = encoded->tokens;
  line->status = encoded->status;
  return true;
}

Status Indexing::Finish(Source& source) {
  if (source.unchanged) return {};
  if (source.incomplete) source.file.content_hash.clear();
  KVLINK_ASSIGN_OR_RETURN(const auto orphans, index_.FinishSource(source.file));
  Forget(orphans);
  return {};
}

void Indexing::Forget(const std::vector<ForgottenDocument>& gone) {
  for (const auto& [id, title, tokens] : gone) {
    const auto known = known_.find(id);
    if (known == known_.end()) continue;
    ++report_.removed;
    report_.documents.push_back({id, known->second.title, known->second.tokens, "removed"});
  }
}

Status Indexing::Prune(const std::vector<std::string>& sources) {
  const std::set<std::string> present(sources.begin(), sources.end());
  int64_t unmounted = 0;
  std::string one_unmounted;
  for (const auto& [source, state] : states_) {
    if (present.count(source) > 0 || !source.starts_with('/')) continue;
    const bool asked =
        std::any_of(options_.paths.begin(), options_.paths.end(), [&](const std::string& path) {
          return path != kStandardInput && IsUnder(source, AbsolutePath(path));
        });
    if (!asked) continue;
    // Not to be looked at is not gone; a folder in its place is.
    const Result<FileInfo> there = files_.Stat(source);
    const bool gone = there.ok() ? there->is_directory() : there.code() == StatusCode::kNotFound;
    if (!gone && !there.ok()) {
      report_.failures.push_back(there.status().message() + "; kept in the list");
    }
    if (!gone) continue;
    if (!options_.yes && state.known() && state.device != DeviceNearest(files_, source)) {
      if (unmounted++ == 0) one_unmounted = source;
      continue;
    }
    KVLINK_ASSIGN_OR_RETURN(const auto orphans, index_.ForgetSource(source));
    Forget(orphans);
  }
  if (unmounted > 0) {
    report_.failures.push_back(FormatCounted(unmounted, "indexed file") +
                               " lay on a disk that is not there now (" + one_unmounted +
                               "); kept in the list: mount it, or forget them with --yes");
  }
  return {};
}

void Indexing::Draw() {
  std::string text =
      FormatCount(done_documents_) + "/" + FormatCount(total_documents_) + " documents";
  double remaining_ms = -1;
  if (report_.encode_ms > 0 && done_bytes_ > 0) {
    const double rate = static_cast<double>(report_.computed_tokens) * 1000 / report_.encode_ms;
    text += ", " + FormatCount(static_cast<int64_t>(rate)) + " tokens/s";
    const double elapsed_ms = Clock::System().MonotonicMs() - start_ms_;
    remaining_ms = elapsed_ms * static_cast<double>(total_bytes_ - done_bytes_) /
                   static_cast<double>(done_bytes_);
  }
  bar_.Draw(static_cast<double>(done_documents_) / static_cast<double>(total_documents_), text,
            remaining_ms);
}

}  // namespace kvlink::cli

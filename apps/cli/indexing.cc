#include "cli/indexing.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/clock.h"
#include "base/hash.h"
#include "cli/interrupt.h"
#include "cli/label.h"
#include "cli/places.h"

namespace kvlink::cli {
namespace {

constexpr char kStandardInput[] = "-";  // as a path

// The source that its documents belong to. Those of files are absolute paths.
std::string InputSource(const IndexOptions& options) {
  return options.name.empty() ? kStandardInput : options.name;
}

Result<std::string> ReadStandardInput(int64_t max_bytes) {
  std::string bytes;
  std::string chunk(1 << 16, '\0');
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (got == 0) return bytes;
    if (got < 0) {
      if (errno == EINTR && !Interrupted()) continue;
      return Unavailable(std::string("standard input: ") + std::strerror(errno));
    }
    bytes.append(chunk, 0, static_cast<size_t>(got));
    if (static_cast<int64_t>(bytes.size()) > max_bytes) {
      return InvalidArgument("standard input: more than " + FormatBytes(max_bytes) +
                             "; cut it into files");
    }
  }
}

// A name for everything on the model's side that decides blocks: the block ids of two probes, for
// the template treats titled and untitled documents apart.
std::string ModelKey(const Engine& engine) {
  return engine.BlockIdOf({"", "probe", "probe", ""}) + engine.BlockIdOf({"", "", "probe", ""});
}

bool IsUnder(const std::string& source, const std::string& path) {
  return source == path || source.starts_with(path == "/" ? path : path + "/");
}

}  // namespace

Result<FoundSources> SourcesOf(const IndexOptions& options) {
  std::vector<std::string> paths;
  for (const std::string& path : options.paths) {
    const bool gone = options.prune && path != kStandardInput && !FileExists(path);
    if (!gone) paths.push_back(path);
  }
  KVLINK_ASSIGN_OR_RETURN(FoundSources found, FindSources(FileSystem::Posix(), paths));
  std::replace(found.paths.begin(), found.paths.end(), std::string(kStandardInput),
               InputSource(options));
  return found;
}

Indexing::Indexing(Session& session, const IndexOptions& options, Engine& engine,
                   DocumentIndex& index, DiskStore& store, bool evicts)
    : session_(session),
      options_(options),
      engine_(engine),
      index_(index),
      store_(store),
      evicts_(evicts),
      model_key_(ModelKey(engine)),
      bar_(session.console(), "indexing", session.chatty()) {
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
  KVLINK_RETURN_IF_ERROR(LoadKnown());
  KVLINK_RETURN_IF_ERROR(ReadAll(sources));
  if (report_.interrupted) {
    report_.left = -1;
    return {};
  }
  for (Source& source : work_) {
    if (source.failed) continue;
    KVLINK_RETURN_IF_ERROR(Encode(source));
    if (report_.interrupted) break;
    KVLINK_RETURN_IF_ERROR(Finish(source));
  }
  CountGone();
  report_.left = total_documents_ - done_documents_;
  if (options_.prune && !report_.interrupted) return Prune(sources);
  return {};
}

Status Indexing::LoadKnown() {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<IndexedDocument> documents, index_.List());
  for (const IndexedDocument& document : documents) {
    known_[document.id] = document;
    known_by_source_[document.source].push_back(document);
  }
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
    Status status = Read(source);
    // A file that cannot be read leaves the others, and what was known of it, as they are.
    if (status.code() == StatusCode::kFailedPrecondition ||
        status.code() == StatusCode::kInternal) {
      return status;
    }
    if (!status.ok()) {
      source.failed = true;
      report_.failures.push_back(status.message() + "; skipped");
    }
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
  const bool is_input = source.name == InputSource(options_);
  const auto read = [&](const std::function<int64_t(std::string_view)>& count_tokens) {
    return is_input ? ReadSourceText(source.name, standard_input_, read_options_, count_tokens)
                    : ReadSource(files_, source.name, read_options_, count_tokens);
  };
  if (is_input) {
    // (Emptied files lose their documents; a pipe without a word has most likely failed.)
    KVLINK_ASSIGN_OR_RETURN(standard_input_, ReadStandardInput(read_options_.max_file_bytes));
    if (standard_input_.empty()) {
      return InvalidArgument("standard input is empty: nothing was indexed or forgotten");
    }
  }

  // The hash does not need tokens counted, and that is what takes time.
  KVLINK_ASSIGN_OR_RETURN(source.file, read([](std::string_view) -> int64_t { return 0; }));
  const std::string key =
      ToHex(Sha256().Field(source.file.content_hash).Field(model_key_).Finish());
  KVLINK_ASSIGN_OR_RETURN(source.unchanged, index_.IsUnchanged(source.file.path, key));
  if (source.unchanged) {
    source.known = known_by_source_[source.file.path];
    source.empty = source.file.documents.empty();
    source.file.documents.clear();
  } else {
    KVLINK_ASSIGN_OR_RETURN(
        source.file, read([this](std::string_view text) { return engine_.CountTokens(text); }));
    source.empty = source.file.documents.empty();
  }
  source.file.content_hash = key;
  report_.notes.insert(report_.notes.end(), source.file.notes.begin(), source.file.notes.end());
  return {};
}

Status Indexing::Encode(Source& source) {
  if (source.empty) report_.documents.push_back({"", FileName(source.name), 0, "empty"});
  for (const IndexedDocument& document : source.known) {
    if (Interrupted()) {
      report_.interrupted = true;
      return {};
    }
    IndexedLine line{document.id, document.title, document.tokens, "unchanged"};
    if (HasBlock(document)) {
      ++report_.unchanged;
      report_.documents.push_back(std::move(line));
    } else {
      KVLINK_RETURN_IF_ERROR(EncodeOne(ToEngine(document), std::move(line)));
    }
    ++done_documents_;
    Draw();
  }
  int64_t ordinal = 0;
  for (const SourceDocument& document : source.file.documents) {
    if (Interrupted()) {
      report_.interrupted = true;
      return {};
    }
    KVLINK_RETURN_IF_ERROR(EncodeOne(ToEngine(document), {document.id, document.title, 0, ""}));
    const int64_t tokens = report_.documents.back().tokens;
    KVLINK_RETURN_IF_ERROR(index_.Add(document, ordinal++, tokens));
    ++done_documents_;
    done_bytes_ += static_cast<int64_t>(document.text.size());
    Draw();
  }
  return {};
}

bool Indexing::HasBlock(const IndexedDocument& document) {
  if (evicts_) return true;
  const Result<BlockId> id = DigestFromHex(engine_.BlockIdOf(ToEngine(document)));
  return id.ok() && store_.Contains(*id);
}

Status Indexing::EncodeOne(const Document& document, IndexedLine line) {
  const double before_ms = Clock::System().MonotonicMs();
  Result<Encoded> encoded = engine_.Encode(document);
  if (!encoded.ok()) {
    return {encoded.code(), "document " + document.id + ": " + encoded.status().message()};
  }
  if (encoded->status == "computed") {
    if (!encoded->why.empty()) {
      // Indexing whose blocks are not kept is for nothing, and the next one would not be either.
      return ResourceExhausted("the block of document " + document.id +
                               " could not be kept: " + encoded->why);
    }
    ++report_.computed;
    if (evicts_) {
      const Result<BlockId> id = DigestFromHex(encoded->block);
      if (id.ok()) computed_.push_back(*id);
    }
    report_.computed_tokens += encoded->tokens;
    report_.encode_ms += Clock::System().MonotonicMs() - before_ms;
    const auto known = known_.find(document.id);
    if (known != known_.end() && known->second.pinned) {
      KVLINK_RETURN_IF_ERROR(engine_.PinBlock(document, true));
    }
  } else if (encoded->status == "unchanged") {
    ++report_.unchanged;
  }
  line.tokens = encoded->tokens;
  line.status = encoded->status;
  report_.documents.push_back(std::move(line));
  return {};
}

Status Indexing::Finish(Source& source) {
  if (source.unchanged) return {};
  KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> orphans, index_.FinishSource(source.file));
  return Forget(orphans);
}

// The rows are gone already; a crash before their blocks go leaves blocks that nothing names, which
// eviction takes in time.
Status Indexing::Forget(const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    const auto known = known_.find(id);
    if (known == known_.end()) continue;
    const IndexedDocument& document = known->second;
    if (!document.pinned) {
      Status removed = engine_.RemoveBlock(ToEngine(document));
      if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
    }
    ++report_.removed;
    report_.documents.push_back({id, document.title, document.tokens, "removed"});
  }
  return {};
}

Status Indexing::Prune(const std::vector<std::string>& sources) {
  const std::set<std::string> present(sources.begin(), sources.end());
  KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> recorded, index_.Sources());
  for (const std::string& source : recorded) {
    if (present.count(source) > 0 || !source.starts_with('/') || FileExists(source)) continue;
    const bool asked =
        std::any_of(options_.paths.begin(), options_.paths.end(), [&](const std::string& path) {
          return path != kStandardInput && IsUnder(source, AbsolutePath(path));
        });
    if (!asked) continue;
    KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> orphans, index_.ForgetSource(source));
    KVLINK_RETURN_IF_ERROR(Forget(orphans));
  }
  return {};
}

void Indexing::CountGone() {
  report_.gone = std::count_if(computed_.begin(), computed_.end(),
                               [this](const BlockId& id) { return !store_.Contains(id); });
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

// Opening what a library owns, and everything that needs no model. Answers: answering.cc.
#include <algorithm>
#include <map>
#include <utility>

#include "kv/best_store.h"
#include "kv/store_folder.h"
#include "library/document_blocks.h"
#include "library/label.h"
#include "library/library_impl.h"
#include "library/named_documents.h"
#include "library/store_files.h"

namespace kvlink::library {
namespace {

constexpr int64_t kPatienceOfAnswersMs = 1'000;  // for other processes' writes
constexpr int64_t kPauseMs = 60'000;             // of keeping blocks, once that was in vain
constexpr int64_t kBytesWithoutStore = 1 << 30;  // of blocks in this process's memory

}  // namespace

LibraryImpl::LibraryImpl(LibraryOptions options)
    : options_(std::move(options)), warn_([this](std::string_view message) {
        if (options_.warn) options_.warn(message);
      }) {}

// What is queued is written before the store goes.
LibraryImpl::~LibraryImpl() {
  engine_.reset();
  store_warnings_.PassOn(warn_);
}

bool LibraryImpl::StoreIsReadOnly() const {
  return FileExists(options_.store_path) && !IsWritable(options_.store_path);
}

Status LibraryImpl::NoDocuments() const {
  const std::string& store = options_.store_path;
  return NotFound("no documents are indexed in " + store + "; index some with: kvlink index PATH" +
                  (FileExists(store)
                       ? " (or, if documents.sqlite was lost, restore it with: kvlink store verify)"
                       : ""));
}

Result<std::shared_ptr<retrieval::DocumentIndex>> LibraryImpl::OpenIndex(Access access) {
  const std::lock_guard lock(opening_);
  if (index_ != nullptr && (access == Access::kRead || !index_is_read_only_)) return index_;
  const std::string path = DocumentsPath(options_.store_path);
  if (access != Access::kCreate && !FileExists(path)) return NoDocuments();
  if (access == Access::kCreate) {
    KVLINK_RETURN_IF_ERROR(kv::PrepareStoreFolder(FileSystem::Posix(), options_.store_path));
  }
  const bool read_only =
      access == Access::kRead && (!IsWritable(options_.store_path) || !IsWritable(path));
  KVLINK_ASSIGN_OR_RETURN(index_, retrieval::DocumentIndex::Open(path, read_only));
  index_is_read_only_ = read_only;
  for (const std::string& note : index_->notes()) warn_(note);
  return index_;
}

kv::DiskStoreOptions LibraryImpl::StoreOptions() {
  kv::DiskStoreOptions options;
  options.path = options_.store_path;
  options.budget_bytes = options_.budget_bytes;
  options.read_only = StoreIsReadOnly();
  options.log = Log([this](Severity severity, std::string_view message) {
    if (severity >= Severity::kWarning) store_warnings_.Add(message);
  });
  // The pins of documents are the list's; where it cannot be read, nothing is known.
  options.is_pinned = [this](std::string_view label) -> std::optional<bool> {
    const std::optional<retrieval::SourceDocument> document = ParseLabel(label);
    if (!document) return std::nullopt;
    const auto index = OpenIndex(Access::kRead);
    if (!index.ok()) return std::nullopt;
    const Result<IndexedDocument> known = (*index)->Get(document->id);
    if (known.code() == StatusCode::kNotFound) return false;
    return known.ok() ? std::optional<bool>(known->pinned) : std::nullopt;
  };
  options.before_keeping = [this](std::string_view label, std::string_view block) -> Status {
    if (!ParseLabel(label)) return {};  // of no document in the list
    KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kWrite));
    return PutDownBlock(*index, label, block);
  };
  return options;
}

Result<std::shared_ptr<kv::DiskStore>> LibraryImpl::OpenStore(bool create) {
  const std::lock_guard lock(opening_);
  if (store_ != nullptr) return store_;
  KVLINK_ASSIGN_OR_RETURN(const bool there, Exists(FileSystem::Posix(), options_.store_path));
  if (!create && !there) {
    return NotFound("there is no store at " + options_.store_path +
                    "; make one with: kvlink index PATH");
  }
  kv::DiskStoreOptions options = StoreOptions();
  options.files_suffice = !create;  // looking and making room work where keeping would not
  KVLINK_ASSIGN_OR_RETURN(store_, kv::DiskStore::Open(options));
  store_warnings_.PassOn(warn_);
  return store_;
}

Result<std::shared_ptr<kv::DiskStore>> LibraryImpl::OpenBestStore() {
  const std::lock_guard lock(opening_);
  if (store_ != nullptr) return store_;
  kv::DiskStoreOptions options = StoreOptions();
  options.lock_timeout_ms = kPatienceOfAnswersMs;
  options.pause_after_busy_ms = kPauseMs;
  KVLINK_ASSIGN_OR_RETURN(store_, kvlink::kv::OpenBestStore(options, warn_));
  store_warnings_.PassOn(warn_);
  return store_;
}

Result<Engine*> LibraryImpl::OpenEngine() {
  const std::lock_guard lock(opening_);
  if (engine_ != nullptr) return engine_.get();
  EngineOptions options = options_.engine;
  if (options_.find_model) KVLINK_RETURN_IF_ERROR(options_.find_model(&options));
  KVLINK_ASSIGN_OR_RETURN(options.store, OpenBestStore());
  options.store_path.clear();
  options.store_budget_bytes = kBytesWithoutStore;  // where there is no store
  options.warn = warn_;
  KVLINK_ASSIGN_OR_RETURN(engine_, Engine::Open(options));
  return engine_.get();
}

Result<SearchResult> LibraryImpl::Search(std::string_view question, int limit) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kRead));
  KVLINK_ASSIGN_OR_RETURN(SearchResult found, index->Search(question, limit));
  if (found.hits.empty() && limit > 0) return NoDocuments();
  return found;
}

Result<NamedDocuments> LibraryImpl::List(const std::vector<std::string>& words) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kRead));
  return FindDocuments(*index, words);
}

Result<NamedDocuments> LibraryImpl::ListToChange(const std::vector<std::string>& words) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kWrite));
  KVLINK_ASSIGN_OR_RETURN(NamedDocuments named, FindDocuments(*index, words));
  if (!named.ambiguity.empty()) return InvalidArgument(named.ambiguity);
  return named;
}

Result<std::vector<ListedSource>> LibraryImpl::Sources(const NamedDocuments& named) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kRead));
  std::map<std::string, ListedSource> sources;
  for (const IndexedDocument& document : named.documents) {
    ListedSource& source = sources[document.source];
    ++source.documents;
    source.tokens += document.tokens;
    source.pinned += document.pinned ? 1 : 0;
  }
  KVLINK_ASSIGN_OR_RETURN(const auto states, index->FileStates());
  std::vector<ListedSource> list;
  for (auto& [name, source] : sources) {
    source.source = name;
    const auto indexed = states.find(name);
    if (indexed != states.end()) {
      source.state = retrieval::StateOf(FileSystem::Posix(), name, indexed->second);
    }
    list.push_back(std::move(source));
  }
  return list;
}

Result<IndexedDocument> LibraryImpl::Show(const std::string& id) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kRead));
  return index->Get(id);
}

Result<Forgotten> LibraryImpl::Forget(const NamedDocuments& named) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kWrite));
  KVLINK_ASSIGN_OR_RETURN(const auto store, OpenStore(/*create=*/false));
  KVLINK_RETURN_IF_ERROR(LearnBlocks(*index, *store));
  Forgotten forgotten{named.ids, 0};
  for (const std::string& id : named.ids) KVLINK_RETURN_IF_ERROR(index->Remove(id));
  for (const std::string& source : named.sources) {
    KVLINK_ASSIGN_OR_RETURN(const auto orphans, index->ForgetSource(source));
    for (const retrieval::ForgottenDocument& orphan : orphans) forgotten.ids.insert(orphan.id);
  }
  KVLINK_ASSIGN_OR_RETURN(forgotten.blocks, RemoveForgotten(options_.store_path, *index, *store));
  return forgotten;
}

Result<int64_t> LibraryImpl::Pin(const NamedDocuments& named, bool pinned) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kWrite));
  std::set<std::string> ids;
  for (const IndexedDocument& document : named.documents) ids.insert(document.id);
  KVLINK_ASSIGN_OR_RETURN(const auto store, OpenStore(/*create=*/false));
  KVLINK_RETURN_IF_ERROR(LearnBlocks(*index, *store));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<kv::BlockId> blocks, BlocksOf(*index, ids));
  // The list has the pins; the catalogue's follow.
  for (const std::string& id : ids) KVLINK_RETURN_IF_ERROR(index->SetPinned(id, pinned));
  int64_t concerned = 0;
  for (const kv::BlockId& block : blocks) {
    Status set = store->SetPinned(block, pinned);
    if (!set.ok() && set.code() != StatusCode::kNotFound) return set;
    concerned += set.ok() ? 1 : 0;
  }
  return concerned;
}

}  // namespace kvlink::library

namespace kvlink {

Result<std::unique_ptr<Library>> Library::Open(LibraryOptions options) {
  if (options.store_path.empty()) {
    return InvalidArgument("a library's store_path is empty; give a folder");
  }
  if (options.budget_bytes < 0) {
    return InvalidArgument("a library's budget_bytes is " + std::to_string(options.budget_bytes) +
                           "; 0 (no limit) or more expected");
  }
  return std::unique_ptr<Library>(std::make_unique<library::LibraryImpl>(std::move(options)));
}

}  // namespace kvlink

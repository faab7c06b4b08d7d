// The library: what it owns, opened when it is first needed. Place on the main path: kvlink ask ->
// Library::Ask (answering.cc) -> Engine::Ask.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kv/disk_store.h"
#include "kv/store_warnings.h"
#include "kvlink/library.h"
#include "library/warn.h"
#include "retrieval/document_index.h"
#include "retrieval/read_source.h"

namespace kvlink::library {

class LibraryImpl : public Library {
 public:
  explicit LibraryImpl(LibraryOptions options);
  ~LibraryImpl() override;

  Status Index(const IndexSources& sources, IndexReport* report, IndexObserver* observer,
               std::stop_token stop) override;
  Result<int64_t> Warm(int64_t most, std::stop_token stop) override;
  Result<SearchResult> Search(std::string_view question, int limit) override;
  Result<NamedDocuments> List(const std::vector<std::string>& words) override;
  Result<NamedDocuments> ListToChange(const std::vector<std::string>& words) override;
  Result<std::vector<ListedSource>> Sources(const NamedDocuments& named) override;
  Result<IndexedDocument> Show(const std::string& id) override;
  Result<Forgotten> Forget(const NamedDocuments& named) override;
  Result<int64_t> Pin(const NamedDocuments& named, bool pinned) override;
  Result<Passages> Find(const Question& question) override;
  Result<LibraryAnswer> Ask(const Question& question, const TextSink& sink) override;
  Result<LibraryAnswer> AskOver(const Request& request, const Passages& passages,
                                const TextSink& sink) override;
  Result<KeptAnswer> Keep(const std::string& answer, const std::string& title) override;
  Status CheckKeeping() override;
  Result<Engine*> OpenEngine() override;

 private:
  enum class Access {
    kRead,    // for writing where that may be done, so that an old list is brought up to date
    kWrite,   // an error where it may not be written
    kCreate,  // the same, and made where it is missing
  };
  // kNotFound: that nothing is indexed, and what to do.
  Result<std::shared_ptr<retrieval::DocumentIndex>> OpenIndex(Access access);
  // For what is there to change blocks: waits for other processes' writes. `create`: blocks are to
  // be kept, and opening fails where they cannot be; else kNotFound where there is no store.
  Result<std::shared_ptr<kv::DiskStore>> OpenStore(bool create);
  // For answers: the best that can be had; nullptr: none.
  Result<std::shared_ptr<kv::DiskStore>> OpenBestStore();
  kv::DiskStoreOptions StoreOptions();
  retrieval::ReadOptions MakeReadOptions(const IndexSources& sources, const Engine& engine);
  Status NoDocuments() const;
  bool StoreIsReadOnly() const;
  void NoteUses(const LibraryAnswer& result);
  Result<Passages> FindNamed(retrieval::DocumentIndex& index,
                             const std::vector<std::string>& words);

  const LibraryOptions options_;
  kv::StoreWarnings store_warnings_;  // passed on at the end of each call
  const Warn warn_;
  // Guards what follows. Recursive, for a store that is opened may ask for documents' pins.
  std::recursive_mutex opening_;
  std::shared_ptr<retrieval::DocumentIndex> index_;
  bool index_is_read_only_ = false;
  std::shared_ptr<kv::DiskStore> store_;
  std::unique_ptr<Engine> engine_;  // destroyed first: it uses the store
  std::atomic<bool> said_read_only_{false};
};

}  // namespace kvlink::library

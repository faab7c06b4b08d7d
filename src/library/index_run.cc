// Library::Index: sources are listed, then blocks are computed, then what is gone is forgotten.
#include <algorithm>
#include <utility>

#include "library/block_making.h"
#include "library/document_blocks.h"
#include "library/library_impl.h"
#include "library/listing.h"
#include "library/source_check.h"
#include "library/source_names.h"

namespace kvlink::library {

Status LibraryImpl::Index(const IndexSources& sources, IndexReport* report, IndexObserver* observer,
                          std::stop_token stop) {
  IndexObserver silent;
  IndexObserver& told = observer != nullptr ? *observer : silent;
  *report = {};
  std::vector<std::string> indexed;
  if (sources.prune) {
    const auto index = OpenIndex(Access::kRead);
    if (!index.ok() && index.code() != StatusCode::kNotFound) return index.status();
    if (index.ok()) {
      KVLINK_ASSIGN_OR_RETURN(indexed, (*index)->Sources());
    }
  }
  KVLINK_ASSIGN_OR_RETURN(const retrieval::FoundSources found, SourcesOf(sources, indexed));
  report->failures = found.failures;
  report->others = found.others;
  report->sources = static_cast<int64_t>(found.paths.size());
  if (found.paths.empty() && !sources.prune) return {};

  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kCreate));
  KVLINK_ASSIGN_OR_RETURN(const auto store, OpenStore(/*create=*/true));
  KVLINK_ASSIGN_OR_RETURN(Engine* const engine, OpenEngine());
  if (!engine->model().why_not_linkable.empty()) {
    return Unsupported("this model cannot be linked, so that blocks would be of no use: " +
                       engine->model().why_not_linkable);
  }
  KVLINK_RETURN_IF_ERROR(LearnBlocks(*index, *store));
  Listing listing(sources, MakeReadOptions(sources, *engine), *engine, *index, told, stop, report);
  KVLINK_RETURN_IF_ERROR(listing.Run(found.paths));
  if (report->interrupted) {
    report->left = -1;
    return {};
  }
  BlockMaking making(
      *engine, *index, *store,
      {options_.budget_bytes, sources.most_blocks, sources.most_block_bytes, options_.store_path},
      told, stop, report);
  KVLINK_ASSIGN_OR_RETURN(IndexCost cost, making.Estimate(listing.outcomes()));
  if (report->interrupted) {
    report->left = -1;
    return {};
  }
  KVLINK_RETURN_IF_ERROR(told.OnCost(cost));
  report->started = true;
  KVLINK_RETURN_IF_ERROR(making.Run(listing));
  report->limit = making.limit();
  if (sources.prune && !report->interrupted) {
    for (const std::string& source :
         GoneSources(sources, found.paths, listing.states(), &report->failures)) {
      KVLINK_ASSIGN_OR_RETURN(const auto gone, index->ForgetSource(source));
      for (const retrieval::ForgottenDocument& document : gone) {
        ++report->removed;
        told.OnDocument({document.id, document.title, document.tokens, IndexStatus::kRemoved});
      }
    }
  }
  // Their rows are gone already; if this is not reached, the next run does it.
  KVLINK_RETURN_IF_ERROR(RemoveForgotten(options_.store_path, *index, *store).status());
  KVLINK_ASSIGN_OR_RETURN(const kv::DiskStoreStats stats, store->Stats());
  report->store_bytes = stats.bytes;
  if (sources.prune || report->interrupted) return {};
  return WarnOfOtherStale(*index, {found.paths.begin(), found.paths.end()}, warn_);
}

retrieval::ReadOptions LibraryImpl::MakeReadOptions(const IndexSources& sources,
                                                    const Engine& engine) {
  retrieval::ReadOptions options;
  options.keys = {sources.text_key, sources.title_key};
  // A document shares the context with the question and the answer.
  const int64_t context = engine.model().context_tokens;
  const int64_t most = std::max<int64_t>(1, context / 2);
  options.max_tokens = static_cast<int>(std::min<int64_t>(sources.max_tokens, most));
  if (options.max_tokens < sources.max_tokens) {
    warn_("--max-tokens " + std::to_string(sources.max_tokens) +
          " is more than half of the model's context of " + std::to_string(context) +
          " tokens: documents are cut at " + std::to_string(options.max_tokens));
  }
  return options;
}

Result<int64_t> LibraryImpl::Warm(int64_t most, std::stop_token stop) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kWrite));
  KVLINK_ASSIGN_OR_RETURN(const auto store, OpenStore(/*create=*/true));
  KVLINK_ASSIGN_OR_RETURN(Engine* const engine, OpenEngine());
  KVLINK_RETURN_IF_ERROR(LearnBlocks(*index, *store));
  IndexObserver silent;
  IndexReport report;
  BlockMaking making(*engine, *index, *store, {options_.budget_bytes, {}, {}, options_.store_path},
                     silent, std::move(stop), &report);
  return making.MakeMostUsed(most);
}

}  // namespace kvlink::library

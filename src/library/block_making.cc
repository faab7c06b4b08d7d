#include "library/block_making.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <tuple>
#include <utility>

#include "base/clock.h"
#include "base/hash.h"
#include "library/index_cost.h"
#include "library/label.h"

namespace kvlink::library {
namespace {

constexpr int64_t kPage = 256;

int64_t BytesOf(const ModelSummary& model, const retrieval::ListedDocument& document) {
  return BlockBytes(model, document.tokens,
                    document.text_bytes + static_cast<int64_t>(document.title.size()));
}

}  // namespace

// Of the limits the narrowest: of the caller, the disk, the budget.
Status BlockMaking::FillRoom() {
  using Limit = IndexReport::Limit;
  left_bytes_.reset();
  const auto bound = [&](int64_t bytes, Limit limit) {
    if (left_bytes_ && *left_bytes_ <= bytes) return;
    left_bytes_ = std::max<int64_t>(bytes, 0);
    limit_ = limit;
  };
  if (room_.most_block_bytes) bound(*room_.most_block_bytes, Limit::kAsked);
  const int64_t free_bytes = FreeBytes(room_.folder);
  if (free_bytes >= 0) bound(RoomOnDisk(free_bytes), Limit::kDisk);
  if (room_.budget_bytes > 0) {
    KVLINK_ASSIGN_OR_RETURN(const kv::DiskStoreStats stats, store_.Stats());
    bound(room_.budget_bytes - stats.bytes, Limit::kBudget);
  }
  return {};
}

Status BlockMaking::ForEach(const std::string& source,
                            const std::function<Status(retrieval::ListedDocument&)>& visit) {
  retrieval::ListedDocument last;
  const retrieval::ListedDocument* after = nullptr;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(std::vector<retrieval::ListedDocument> page,
                            index_.PageOfSource(source, space_, after, kPage));
    for (retrieval::ListedDocument& document : page) {
      if (report_.interrupted) return {};
      KVLINK_RETURN_IF_ERROR(visit(document));
    }
    if (static_cast<int64_t>(page.size()) < kPage) return {};
    last = std::move(page.back());
    after = &last;
  }
}

Status BlockMaking::FindBlock(retrieval::ListedDocument* document) {
  if (!document->block.empty()) return {};
  KVLINK_ASSIGN_OR_RETURN(const IndexedDocument listed, index_.Get(document->id));
  const Described described = engine_.Describe(ToEngine(listed));
  document->block = described.block;
  return index_.AddBlockOfKnown(document->id, described.block, space_);
}

bool BlockMaking::HasBlock(const retrieval::ListedDocument& document) {
  const Result<kv::BlockId> id = DigestFromHex(document.block);
  return id.ok() && store_.Contains(*id);
}

// A block that would throw out others, or go itself, is not worth its computing.
bool BlockMaking::HasRoom(const retrieval::ListedDocument& document) const {
  if (chosen_ && !chosen_->contains(document.id)) return false;
  return !left_bytes_ || BytesOf(engine_.model(), document) <= *left_bytes_;
}

Result<IndexCost> BlockMaking::Estimate(const std::vector<SourceOutcome>& outcomes) {
  KVLINK_RETURN_IF_ERROR(FillRoom());
  IndexCost cost;
  cost.free_bytes = FreeBytes(room_.folder);
  std::unordered_set<uint64_t> without;
  std::vector<std::tuple<int64_t, int64_t, std::string>> used;  // uses, key, id
  std::vector<std::string> first;                               // of those that get a block
  int64_t left = left_bytes_.value_or(std::numeric_limits<int64_t>::max());
  int64_t planned_tokens = 0;
  for (const SourceOutcome& outcome : outcomes) {
    if (outcome.failed) continue;
    KVLINK_RETURN_IF_ERROR(
        ForEach(outcome.name, [&](retrieval::ListedDocument& document) -> Status {
          ++progress_.documents;
          observer_.OnProgress(progress_);
          if (stop_.stop_requested()) report_.interrupted = true;
          const Status found = FindBlock(&document);
          if (found.code() == StatusCode::kNotFound) return {};
          KVLINK_RETURN_IF_ERROR(found);
          if (HasBlock(document) || !without.insert(ShortId(document.id)).second) return {};
          const int64_t bytes = BytesOf(engine_.model(), document);
          ++cost.documents;
          cost.tokens += document.tokens;
          cost.bytes += bytes;
          if (room_.most_blocks) used.emplace_back(document.uses, document.key, document.id);
          if (bytes > left) return {};
          left -= bytes;
          ++cost.planned;
          cost.planned_bytes += bytes;
          planned_tokens += document.tokens;
          if (first.size() < 4) first.push_back(document.id);
          return {};
        }));
  }
  if (room_.most_blocks && *room_.most_blocks < cost.planned) {
    const auto most = static_cast<size_t>(std::max<int64_t>(*room_.most_blocks, 0));
    if (most < used.size()) {
      std::nth_element(used.begin(), used.begin() + static_cast<int64_t>(most), used.end(),
                       std::greater<>());
      used.resize(most);
    }
    const double share =
        cost.planned > 0 ? static_cast<double>(most) / static_cast<double>(cost.planned) : 0;
    cost.planned_bytes = static_cast<int64_t>(share * static_cast<double>(cost.planned_bytes));
    planned_tokens = static_cast<int64_t>(share * static_cast<double>(planned_tokens));
    cost.planned = static_cast<int64_t>(most);
    chosen_.emplace();
    for (auto& [uses, key, id] : used) chosen_->insert(std::move(id));
    limit_ = IndexReport::Limit::kAsked;
  }
  constexpr int64_t kWorthMeasuring = 100'000'000;
  const bool much = cost.planned_bytes > kWorthMeasuring ||
                    (cost.free_bytes >= 0 && cost.planned_bytes > cost.free_bytes / 2);
  if (much && !report_.interrupted) {
    const double each = MeasureMsPerToken(engine_, index_, first);
    if (each >= 0) cost.ms = each * static_cast<double>(planned_tokens);
  }
  progress_.documents_total = std::exchange(progress_.documents, 0);
  return cost;
}

Status BlockMaking::Run(const Listing& listing) {
  start_ms_ = Clock::System().MonotonicMs();
  for (const SourceOutcome& outcome : listing.outcomes()) {
    if (outcome.failed) continue;
    KVLINK_RETURN_IF_ERROR(RunSource(outcome, listing));
    if (report_.interrupted) break;
  }
  report_.left = progress_.documents_total - progress_.documents;
  return {};
}

void BlockMaking::Say(IndexedLine line) { observer_.OnDocument(line); }

Status BlockMaking::RunSource(const SourceOutcome& outcome, const Listing& listing) {
  if (outcome.empty) {
    const size_t slash = outcome.name.find_last_of('/');
    Say({"", outcome.name.substr(slash == std::string::npos ? 0 : slash + 1), 0,
         IndexStatus::kEmpty});
  }
  KVLINK_RETURN_IF_ERROR(ForEach(outcome.name, [&](retrieval::ListedDocument& document) -> Status {
    if (report_.encode_ms > 0 && progress_.documents > 0) {
      progress_.remaining_ms =
          (Clock::System().MonotonicMs() - start_ms_) *
          static_cast<double>(progress_.documents_total - progress_.documents) /
          static_cast<double>(progress_.documents);
    }
    observer_.OnProgress(progress_);
    if (stop_.stop_requested()) {
      report_.interrupted = true;
      return {};
    }
    ++progress_.documents;
    const bool is_new = listing.IsNew(document.id);
    KVLINK_ASSIGN_OR_RETURN(const Made made, Make(document, is_new));
    if (made == Made::kLeftOut || made == Made::kGone) return {};
    IndexedLine line{document.id, document.title, document.tokens, IndexStatus::kUnchanged};
    if (made == Made::kComputed) line.status = IndexStatus::kComputed;
    if (made == Made::kNoRoom && is_new) line.status = IndexStatus::kListed;
    report_.unchanged += line.status == IndexStatus::kUnchanged ? 1 : 0;
    report_.listed += line.status == IndexStatus::kListed ? 1 : 0;
    report_.without_block += made == Made::kNoRoom ? 1 : 0;
    Say(std::move(line));
    return {};
  }));
  if (report_.interrupted) return {};
  for (const retrieval::ForgottenDocument& gone : outcome.removed) {
    ++report_.removed;
    Say({gone.id, gone.title, gone.tokens, IndexStatus::kRemoved});
  }
  return {};
}

bool BlockMaking::WasRemoved(const std::string& id) {
  return index_.Get(id).code() == StatusCode::kNotFound;
}

Result<BlockMaking::Made> BlockMaking::Make(const retrieval::ListedDocument& document,
                                            bool is_new) {
  if (HasBlock(document)) return Made::kUnchanged;
  if (!HasRoom(document)) return Made::kNoRoom;
  const Result<IndexedDocument> listed = index_.Get(document.id);
  if (listed.code() == StatusCode::kNotFound) return Made::kGone;
  if (!listed.ok()) return listed.status();
  const double before_ms = Clock::System().MonotonicMs();
  const Result<Encoded> encoded = engine_.Encode(ToEngine(*listed), stop_);
  if (encoded.code() == StatusCode::kCancelled) return Made::kNoRoom;  // whoever asked sees it
  if (!encoded.ok()) {
    report_.failures.push_back("document " + document.id + " (" + document.title +
                               "): " + encoded.status().message() + "; left out");
    if (!is_new) return WasRemoved(document.id) ? Made::kGone : Made::kNoRoom;
    // What this model cannot encode others may have, so only what is new does not stay in the list.
    Status removed = index_.Remove(document.id);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
    return Made::kLeftOut;
  }
  if (encoded->status != EncodeStatus::kComputed) return Made::kUnchanged;
  const int64_t bytes = BytesOf(engine_.model(), document);
  if (!encoded->why.empty()) {
    if (WasRemoved(document.id)) return Made::kGone;
    // A full disk is no reason to stop: documents go without blocks from here on.
    constexpr int64_t kDatabaseBytes = 1 << 20;
    const int64_t free_bytes = FreeBytes(room_.folder);
    if (free_bytes >= 0 && free_bytes < bytes + kDatabaseBytes) {
      left_bytes_ = 0;
      limit_ = IndexReport::Limit::kDisk;
      return Made::kNoRoom;
    }
    // Indexing whose blocks are not kept is for nothing, and the next one would not be either.
    return ResourceExhausted("the block of document " + document.id +
                             " could not be kept: " + encoded->why);
  }
  if (left_bytes_) *left_bytes_ -= bytes;
  ++report_.computed;
  report_.computed_tokens += encoded->tokens;
  report_.encode_ms += Clock::System().MonotonicMs() - before_ms;
  progress_.tokens_per_s = static_cast<double>(report_.computed_tokens) * 1000 / report_.encode_ms;
  return Made::kComputed;
}

Result<int64_t> BlockMaking::MakeMostUsed(int64_t most) {
  KVLINK_RETURN_IF_ERROR(FillRoom());
  chosen_.reset();
  const int64_t before = report_.computed;
  retrieval::ListedDocument last;
  const retrieval::ListedDocument* after = nullptr;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(std::vector<retrieval::ListedDocument> page,
                            index_.PageOfMostUsed(space_, after, kPage));
    for (retrieval::ListedDocument& document : page) {
      if (report_.computed - before >= most || stop_.stop_requested()) {
        return report_.computed - before;
      }
      const Status found = FindBlock(&document);
      if (found.code() == StatusCode::kNotFound) continue;
      KVLINK_RETURN_IF_ERROR(found);
      KVLINK_RETURN_IF_ERROR(Make(document, /*is_new=*/false).status());
    }
    if (static_cast<int64_t>(page.size()) < kPage) return report_.computed - before;
    last = std::move(page.back());
    after = &last;
  }
}

}  // namespace kvlink::library

// The disk store against a model of it: a map with uses and pins, on which the budget's rule is
// three lines long. Random operations, reopening among them. RapidCheck prints the seed.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <optional>

#include "kv/store_fixture.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

constexpr uint64_t kSeeds = 8;

BlockShape ShapeOf(uint64_t seed) {
  BlockShape shape = kTinyShape;
  shape.tokens = static_cast<int32_t>(seed * 9);  // of several sizes, 0 tokens among them
  return shape;
}

struct Entry {
  int64_t size_bytes = 0;
  int64_t used = 0;
  bool pinned = false;
};

class StoreModel {
 public:
  explicit StoreModel(int64_t budget_bytes) : budget_bytes_(budget_bytes) {}

  std::map<uint64_t, Entry> entries;

  int64_t Bytes() const {
    int64_t bytes = 0;
    for (const auto& [seed, entry] : entries) bytes += entry.size_bytes;
    return bytes;
  }
  StatusCode Put(uint64_t seed, int64_t size_bytes, int64_t now) {
    if (entries.contains(seed)) {
      entries[seed].used = now;
      return StatusCode::kOk;
    }
    int64_t pinned = 0;
    for (const auto& [other, entry] : entries) pinned += entry.pinned ? entry.size_bytes : 0;
    if (pinned + size_bytes > budget_bytes_) return StatusCode::kResourceExhausted;
    while (Bytes() + size_bytes > budget_bytes_) entries.erase(LeastRecentlyUsed());
    entries[seed] = {size_bytes, now, false};
    return StatusCode::kOk;
  }

 private:
  uint64_t LeastRecentlyUsed() const {
    std::optional<uint64_t> least;
    for (const auto& [seed, entry] : entries) {
      if (entry.pinned) continue;
      if (!least.has_value() || entry.used < entries.at(*least).used) least = seed;
    }
    return *least;
  }

  const int64_t budget_bytes_;
};

class ModelTest : public DiskStoreTest {};

RC_GTEST_FIXTURE_PROP(ModelTest, BehavesAsAMapWithABudget, ()) {
  enum Operation { kPut, kGet, kRemove, kPin, kUnpin, kReopen, kDamage, kOperations };
  DiskStoreOptions options = Options();
  options.path = dir_ / "store";
  options.budget_bytes = *rc::gen::inRange<int64_t>(5'000, 120'000);
  const auto operations = *rc::gen::container<std::vector<std::pair<int, uint64_t>>>(rc::gen::pair(
      rc::gen::weightedElement<int>(
          {{8, kPut}, {5, kGet}, {1, kRemove}, {1, kPin}, {1, kUnpin}, {1, kReopen}, {1, kDamage}}),
      rc::gen::inRange<uint64_t>(0, kSeeds)));
  StoreModel model(options.budget_bytes);
  std::unique_ptr<DiskStore> store = MustOpen(options);
  for (const auto& [operation, seed] : operations) {
    const int64_t now = ++clock_.now_ms;
    const BlockId id = IdOf(seed);
    const bool there = model.entries.contains(seed);
    const StatusCode expected = there ? StatusCode::kOk : StatusCode::kNotFound;
    switch (operation) {
      case kPut: {
        const auto block = MakeBlock(seed, ShapeOf(seed));
        const int64_t size_bytes = static_cast<int64_t>(block->image().size());
        RC_ASSERT(store->Put(block).code() == model.Put(seed, size_bytes, now));
        break;
      }
      case kGet: {
        const auto got = store->Get(id);
        RC_ASSERT(got.code() == expected);
        if (!there) break;
        RC_ASSERT(SameBytes(**got, *MakeBlock(seed, ShapeOf(seed))));
        model.entries[seed].used = now;
        break;
      }
      case kRemove:
        RC_ASSERT(store->Remove(id).code() == expected);
        model.entries.erase(seed);
        break;
      case kPin:
      case kUnpin:
        RC_ASSERT(store->SetPinned(id, operation == kPin).code() == expected);
        if (there) model.entries[seed].pinned = operation == kPin;
        break;
      case kReopen:
        store.reset();
        store = MustOpen(options);
        break;
      case kDamage:  // found by the Get and gone, quarantine/ emptied so that the budget is plain
        if (!there) break;
        FlipByte(PathOf(seed), 4'000);
        RC_ASSERT(store->Get(id).code() == StatusCode::kNotFound);
        RC_ASSERT(store->Collect(options.budget_bytes).ok());
        model.entries.erase(seed);
        break;
    }
    const auto rows = store->List();
    RC_ASSERT(rows.ok());
    RC_ASSERT(rows->size() == model.entries.size());
    for (const auto& [expected_seed, entry] : model.entries) {
      const BlockId expected_id = IdOf(expected_seed);
      const auto row =
          std::find_if(rows->begin(), rows->end(),
                       [&expected_id](const StoredBlock& r) { return r.id == expected_id; });
      RC_ASSERT(row != rows->end());
      RC_ASSERT(row->size_bytes == entry.size_bytes);
      RC_ASSERT(row->pinned == entry.pinned);
      RC_ASSERT(row->last_used_ms == entry.used);
      RC_ASSERT(store->Contains(expected_id));
    }
    RC_ASSERT(model.Bytes() <= options.budget_bytes);
  }
  RC_ASSERT(FilesIn("blocks") == static_cast<int64_t>(model.entries.size()));
  RC_ASSERT(FilesIn("tmp") == 0);
}

}  // namespace
}  // namespace kvlink::kv

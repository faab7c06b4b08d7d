// Words are short, so a scan for the best pair beats a heap; what is long (no spaces, a repeated
// letter) goes through a heap over a linked list, so that no text takes quadratic time.
#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace kvlink::text {
namespace {

constexpr size_t kScanAtMost = 40;  // symbols; above, the heap is faster
constexpr uint32_t kNone = UINT32_MAX;

void MergeByScan(const MergeTable& table, size_t begin, std::vector<int32_t>* ids,
                 std::vector<Merge>* merges) {
  int32_t* symbols = ids->data() + begin;
  size_t n = ids->size() - begin;
  merges->resize(n);
  Merge* pair = merges->data();  // pair[i]: the merge of symbols i and i + 1
  for (size_t i = 0; i + 1 < n; ++i) pair[i] = table.Find(symbols[i], symbols[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (pair[i].rank < pair[best].rank) best = i;
    }
    if (pair[best].rank == INT32_MAX) break;
    symbols[best] = pair[best].token;
    std::copy(symbols + best + 2, symbols + n, symbols + best + 1);
    std::copy(pair + best + 1, pair + n - 1, pair + best);
    --n;
    if (best + 1 < n) pair[best] = table.Find(symbols[best], symbols[best + 1]);
    if (best > 0) pair[best - 1] = table.Find(symbols[best - 1], symbols[best]);
  }
  ids->resize(begin + n);
}

void MergeByHeap(const MergeTable& table, size_t begin, std::vector<int32_t>* ids,
                 MergeScratch* scratch) {
  auto& symbols = scratch->symbols;
  auto& heap = scratch->heap;
  const uint32_t n = static_cast<uint32_t>(ids->size() - begin);
  symbols.resize(n);
  heap.clear();
  // Asks anew for the merge of a symbol with its next one; false: there is none.
  const auto update = [&](uint32_t at) {
    MergeScratch::Symbol& symbol = symbols[at];
    symbol.merge =
        symbol.next == kNone ? Merge{} : table.Find(symbol.token, symbols[symbol.next].token);
    if (symbol.merge.rank == INT32_MAX) return false;
    heap.push_back(static_cast<uint64_t>(symbol.merge.rank) << 32 | at);
    return true;
  };
  for (uint32_t i = 0; i < n; ++i) {
    symbols[i] = {(*ids)[begin + i], i == 0 ? kNone : i - 1, i + 1 == n ? kNone : i + 1, {}};
  }
  for (uint32_t i = 0; i < n; ++i) update(i);
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const uint32_t at = static_cast<uint32_t>(heap.back());
    const int32_t rank = static_cast<int32_t>(heap.back() >> 32);
    heap.pop_back();
    MergeScratch::Symbol& left = symbols[at];
    // The symbol or its neighbour may have merged since; then the pair of now has its own entry.
    if (left.merge.rank != rank) continue;
    MergeScratch::Symbol& right = symbols[left.next];
    left.token = left.merge.token;
    left.next = right.next;
    right.merge = {};
    if (left.next != kNone) symbols[left.next].previous = at;
    if (update(at)) std::push_heap(heap.begin(), heap.end(), std::greater<>());
    if (left.previous != kNone && update(left.previous)) {
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  }
  size_t out = begin;
  for (uint32_t i = 0; i != kNone; i = symbols[i].next) (*ids)[out++] = symbols[i].token;
  ids->resize(out);
}

}  // namespace

MergeTable::MergeTable(size_t merges)
    : slots_(std::bit_ceil(2 * merges + 2)),  // at most half full: look-ups end soon, and do end
      mask_(slots_.size() - 1),
      shift_(64 - std::countr_zero(slots_.size())) {}

void MergeTable::Insert(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = Key(left, right);
  size_t i = Slot(key);
  while (slots_[i].key != kEmpty && slots_[i].key != key) i = (i + 1) & mask_;
  if (slots_[i].key == kEmpty) slots_[i] = {key, merge};
}

void MergeWord(const MergeTable& table, size_t begin, std::vector<int32_t>* ids,
               MergeScratch* scratch) {
  if (ids->size() - begin <= kScanAtMost) {
    MergeByScan(table, begin, ids, &scratch->merges);
  } else {
    MergeByHeap(table, begin, ids, scratch);
  }
}

}  // namespace kvlink::text

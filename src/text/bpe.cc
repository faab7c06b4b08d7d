// Words are short, so a scan for the best pair beats a heap; what is long (no spaces, a repeated
// letter) goes through a heap over a linked list, so that no text takes quadratic time.
#include "text/bpe.h"

#include <algorithm>
#include <bit>

namespace kvlink {
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
  using Candidate = MergeScratch::Candidate;
  const auto worse = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  };
  auto& symbols = scratch->symbols;
  auto& heap = scratch->heap;
  const uint32_t n = static_cast<uint32_t>(ids->size() - begin);
  symbols.resize(n);
  heap.clear();
  for (uint32_t i = 0; i < n; ++i) {
    symbols[i] = {(*ids)[begin + i], i == 0 ? kNone : i - 1, i + 1 == n ? kNone : i + 1};
  }
  const auto candidate = [&](uint32_t at) {
    const int32_t left = symbols[at].token;
    const int32_t right = symbols[symbols[at].next].token;
    return Candidate{table.Find(left, right).rank, at, left, right};
  };
  for (uint32_t i = 0; i + 1 < n; ++i) {
    if (const Candidate c = candidate(i); c.rank != INT32_MAX) heap.push_back(c);
  }
  std::make_heap(heap.begin(), heap.end(), worse);
  const auto push = [&](uint32_t at) {
    const Candidate c = candidate(at);
    if (c.rank == INT32_MAX) return;
    heap.push_back(c);
    std::push_heap(heap.begin(), heap.end(), worse);
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), worse);
    const Candidate c = heap.back();
    heap.pop_back();
    // Either side may have merged since the candidate was made; then a newer one stands for it.
    if (symbols[c.at].token != c.left) continue;
    const uint32_t right = symbols[c.at].next;
    if (right == kNone || symbols[right].token != c.right) continue;
    const uint32_t next = symbols[right].next;
    symbols[c.at].token = table.Find(c.left, c.right).token;
    symbols[c.at].next = next;
    symbols[right].token = -1;
    if (next != kNone) {
      symbols[next].previous = c.at;
      push(c.at);
    }
    if (symbols[c.at].previous != kNone) push(symbols[c.at].previous);
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

}  // namespace kvlink

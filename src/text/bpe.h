// Byte-pair merges: of all neighbours in a word, the pair that was learned first becomes one token,
// the leftmost of equals first, until no pair is left (Sennrich et al., arXiv 1508.07909). Not
// here: words (pre_tokenizer.h), spellings (tokenizer.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvlink::text {

struct Merge {
  int32_t rank = INT32_MAX;  // INT32_MAX: the pair does not merge
  int32_t token = -1;
};

// (left id, right id) -> Merge. Open addressing in one array: a look-up is what encoding spends
// most of its time on. Thread-safe once it is filled.
class MergeTable {
 public:
  explicit MergeTable(size_t merges);
  // The first merge of a pair stays. REQUIRES: at most `merges` calls, ids >= 0
  void Insert(int32_t left, int32_t right, Merge merge);
  Merge Find(int32_t left, int32_t right) const {
    const uint64_t key = Key(left, right);
    for (size_t i = Slot(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].merge;
      if (slots_[i].key == kEmpty) return {};
    }
  }

 private:
  struct Entry {
    uint64_t key = kEmpty;
    Merge merge;
  };
  static constexpr uint64_t kEmpty = UINT64_MAX;  // no id is -1
  static uint64_t Key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t Slot(uint64_t key) const {
    key ^= key >> 29;  // the left id must reach the product's upper half too
    return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }

  std::vector<Entry> slots_;
  size_t mask_ = 0;
  int shift_ = 0;
};

// Memory that merging words one after another uses again. One owner, one thread.
struct MergeScratch {
  struct Symbol {
    int32_t token;
    uint32_t previous, next;
    Merge merge;  // with the next symbol
  };
  std::vector<Merge> merges;
  std::vector<Symbol> symbols;
  std::vector<uint64_t> heap;  // rank and index of a symbol, in one number to compare
};

// Merges the symbols ids[begin..] in place, and shortens `ids`. O(n log n) for n symbols.
// REQUIRES: fewer than 2^32 - 1 symbols
void MergeWord(const MergeTable& table, size_t begin, std::vector<int32_t>* ids,
               MergeScratch* scratch);

}  // namespace kvlink::text

// Arranging documents (data/arrange.h): each function makes a list of old indices in their new
// order, and one place applies it to documents and gold.
#include "data/arrange.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/random.h"
#include "data/pieces.h"

namespace kvlink::data {
namespace {

// order: old indices, each at most once. Documents that it leaves out are dropped.
void Reorder(Example* example, const std::vector<int32_t>& order) {
  std::vector<int32_t> new_index(example->documents.size(), -1);
  std::vector<ExampleDocument> documents;
  documents.reserve(order.size());
  for (const int32_t old : order) {
    new_index[old] = static_cast<int32_t>(documents.size());
    documents.push_back(std::move(example->documents[old]));
  }
  example->documents = std::move(documents);
  std::vector<int32_t> gold;
  for (const int32_t old : example->gold) {
    if (new_index[old] >= 0) gold.push_back(new_index[old]);
  }
  example->gold = std::move(gold);
}

std::vector<int32_t> Indices(const Example& example) {
  std::vector<int32_t> order(example.documents.size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

void ShuffleDocuments(Example* example, uint64_t seed) {
  std::vector<int32_t> order = Indices(*example);
  Random random(seed ^ Xxh3(AsBytes(example->id)));
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
  Reorder(example, order);
}

void KeepDocuments(Example* example, int32_t n) {
  std::vector<bool> is_gold(example->documents.size());
  for (const int32_t gold : example->gold) is_gold[gold] = true;
  std::vector<int32_t> order;
  std::vector<int32_t> candidates = Indices(*example);
  if (example->kind == ExampleKind::kChat) std::reverse(candidates.begin(), candidates.end());
  for (const bool wanted : {true, false}) {
    for (const int32_t index : candidates) {
      if (is_gold[index] == wanted && static_cast<int32_t>(order.size()) < n) {
        order.push_back(index);
      }
    }
  }
  std::sort(order.begin(), order.end());
  Reorder(example, order);
}

void MoveGold(Example* example, int32_t position) {
  if (example->gold.empty()) return;
  const int32_t gold = example->gold[0];
  std::vector<int32_t> order = Indices(*example);
  order.erase(order.begin() + gold);
  const size_t to = std::min<size_t>(position, order.size());
  order.insert(order.begin() + static_cast<ptrdiff_t>(to), gold);
  Reorder(example, order);
}

void CutIntoPieces(Example* example, int64_t max_words) {
  std::vector<bool> is_gold(example->documents.size());
  for (const int32_t gold : example->gold) is_gold[gold] = true;
  std::vector<ExampleDocument> pieces;
  std::vector<int32_t> gold;
  for (size_t i = 0; i < example->documents.size(); ++i) {
    ExampleDocument& document = example->documents[i];
    const std::vector<std::string_view> texts = CutText(document.text, max_words);
    const size_t first = pieces.size();
    for (const std::string_view text : texts) {
      pieces.push_back({document.title, std::string(text)});
    }
    if (texts.empty()) pieces.push_back(std::move(document));  // a title alone
    if (!is_gold[i]) continue;
    for (size_t piece = first; piece < pieces.size(); ++piece) {
      gold.push_back(static_cast<int32_t>(piece));
    }
  }
  example->documents = std::move(pieces);
  example->gold = std::move(gold);
}

}  // namespace kvlink::data

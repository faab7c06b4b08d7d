#include "engine/schedule.h"

#include <algorithm>
#include <iterator>

namespace kvlink::engine {
namespace {

// Prompt tokens for the sequences in this order, until the limit is reached. only_whole: behind the
// first share, those whose prompt ends with it.
void Take(std::span<const WorkView> works, std::span<const size_t> order, int64_t piece,
          int64_t limit, bool only_whole, std::vector<Share>* shares) {
  bool any = false;
  for (const size_t i : order) {
    int64_t tokens = std::min(works[i].left, limit);
    if (tokens < works[i].left) tokens = tokens / piece * piece;
    if (tokens == 0 || (any && only_whole && tokens < works[i].left)) continue;
    shares->push_back({i, tokens});
    limit -= tokens;
    any = true;
  }
}

}  // namespace

std::vector<Share> PlanStep(std::span<const WorkView> works, const StepLimits& limits,
                            Turns* turns) {
  std::vector<Share> shares;
  std::vector<size_t> rows, prompts;
  for (size_t i = 0; i < works.size(); ++i) (works[i].left == 0 ? rows : prompts).push_back(i);
  const size_t count = std::min(rows.size(), static_cast<size_t>(limits.rows));
  for (size_t i = 0; i < count; ++i) {
    shares.push_back({rows[(turns->row + i) % rows.size()], 0});
  }
  turns->row = count < rows.size() ? (turns->row + count) % rows.size() : 0;
  if (prompts.empty()) return shares;

  std::stable_sort(prompts.begin(), prompts.end(),
                   [&](size_t a, size_t b) { return works[a].request < works[b].request; });
  const uint64_t first = works[prompts.front()].request;
  if (rows.empty() && works[prompts.back()].request == first) {  // nobody else is in flight
    turns->first_came_last = true;
    Take(works, prompts, limits.piece, limits.alone_tokens, /*only_whole=*/false, &shares);
    return shares;
  }
  std::vector<size_t> order;
  const bool turn_of_first = !turns->first_came_last;
  if (turn_of_first) {
    std::copy_if(prompts.begin(), prompts.end(), std::back_inserter(order),
                 [&](size_t i) { return works[i].request == first; });
  } else {
    order = prompts;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return works[a].request_left < works[b].request_left;
    });
  }
  // A short prompt does not wait for the piece of a long one that the limit has room for as well.
  Take(works, order, limits.piece, limits.tokens, /*only_whole=*/!turn_of_first, &shares);
  turns->first_came_last = works[order.front()].request == first;
  return shares;
}

}  // namespace kvlink::engine

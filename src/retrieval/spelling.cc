// Damerau's distance (retrieval/spelling.h).
#include "retrieval/spelling.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "text/unicode.h"

namespace kvlink::retrieval {
namespace {

std::vector<uint32_t> Characters(std::string_view text) {
  std::vector<uint32_t> characters;
  for (size_t at = 0; at < text.size();) characters.push_back(text::NextCharacter(text, &at));
  return characters;
}

}  // namespace

int SpellingDistance(std::string_view a, std::string_view b, int most) {
  const std::vector<uint32_t> x = Characters(a);
  const std::vector<uint32_t> y = Characters(b);
  if (std::abs(static_cast<int>(x.size()) - static_cast<int>(y.size())) > most) return most + 1;
  std::vector<int> two_above(y.size() + 1), above(y.size() + 1), row(y.size() + 1);
  for (size_t j = 0; j <= y.size(); ++j) above[j] = static_cast<int>(j);
  for (size_t i = 1; i <= x.size(); ++i) {
    row[0] = static_cast<int>(i);
    int least = row[0];
    for (size_t j = 1; j <= y.size(); ++j) {
      row[j] =
          std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (x[i - 1] == y[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1]) {
        row[j] = std::min(row[j], two_above[j - 2] + 1);
      }
      least = std::min(least, row[j]);
    }
    if (least > most) return most + 1;
    std::swap(two_above, above);
    std::swap(above, row);
  }
  return std::min(above[y.size()], most + 1);
}

int SpellingTolerance(size_t characters) { return characters < 5 ? 0 : characters < 8 ? 1 : 2; }

}  // namespace kvlink::retrieval

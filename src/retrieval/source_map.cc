#include "retrieval/source_map.h"

#include <algorithm>
#include <array>

namespace kvlink::retrieval {
namespace {

constexpr std::array<std::string_view, 4> kUnitNames = {"byte", "page", "chapter", "paragraph"};

}  // namespace

std::string_view UnitName(PlaceUnit unit) { return kUnitNames[static_cast<size_t>(unit)]; }

std::optional<PlaceUnit> UnitOfName(std::string_view name) {
  const auto found = std::find(kUnitNames.begin(), kUnitNames.end(), name);
  if (found == kUnitNames.end()) return std::nullopt;
  return static_cast<PlaceUnit>(found - kUnitNames.begin());
}

std::string DescribePlace(PlaceUnit unit, Place place) {
  if (unit == PlaceUnit::kByte || place.end <= place.begin) return {};
  const std::string name(UnitName(unit));
  if (place.end - place.begin == 1) return name + " " + std::to_string(place.begin);
  return name + "s " + std::to_string(place.begin) + "-" + std::to_string(place.end - 1);
}

Place SourceMap::PlaceOf(TextRange range) const {
  const auto first = std::partition_point(
      runs.begin(), runs.end(), [&](const Run& run) { return run.text.end <= range.begin; });
  const auto after = std::partition_point(
      first, runs.end(), [&](const Run& run) { return run.text.begin < range.end; });
  if (first == after) return {};
  const Run& last = *(after - 1);
  // Rounded outwards: a piece of a page is that page.
  const auto into = [](const Run& run, size_t text, int64_t round_up) {
    const auto size = static_cast<int64_t>(run.text.size());
    const int64_t source = run.source.end - run.source.begin;
    return (static_cast<int64_t>(text) * source + (round_up != 0 ? size - 1 : 0)) / size;
  };
  const size_t skipped = std::max(range.begin, first->text.begin) - first->text.begin;
  const size_t reached = std::min(range.end, last.text.end) - last.text.begin;
  const Place place{first->source.begin + into(*first, skipped, 0),
                    last.source.begin + into(last, reached, 1)};
  if (place.begin < place.end) return place;
  // Text that stands in another order than its source.
  return {std::min(first->source.begin, last.source.begin),
          std::max(first->source.end, last.source.end)};
}

SourceMap SourceMap::Of(const RepairedText& text) {
  SourceMap map;
  RepairedText::Patch before;
  const auto add = [&](int64_t begin, int64_t end, int64_t source_begin, int64_t source_end) {
    if (begin == end) return;
    map.runs.push_back(
        {{static_cast<size_t>(begin), static_cast<size_t>(end)}, {source_begin, source_end}});
  };
  for (const RepairedText::Patch& patch : text.patches) {
    add(before.end, patch.begin, before.source_end, patch.source_begin);
    add(patch.begin, patch.end, patch.source_begin, patch.source_end);
    before = patch;
  }
  const auto size = static_cast<int64_t>(text.text.size());
  add(before.end, size, before.source_end, before.source_end + (size - before.end));
  return map;
}

}  // namespace kvlink::retrieval

// The way back from a text to the file it was read from: to its bytes, or where bytes mean nothing
// to a reader, to its pages, chapters or paragraphs. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/documents.h"
#include "retrieval/boundaries.h"
#include "retrieval/repaired_text.h"

namespace kvlink::retrieval {

// "byte", "page", "chapter", "paragraph"; nothing: another name.
std::string_view UnitName(PlaceUnit unit);
std::optional<PlaceUnit> UnitOfName(std::string_view name);

// Half open. Bytes count from 0, pages, chapters and paragraphs from 1: page 3 is {3, 4}.
struct Place {
  int64_t begin = 0;
  int64_t end = 0;
};

// "page 3", "pages 3-4"; empty for bytes, whose lines only the file can tell.
std::string DescribePlace(PlaceUnit unit, Place place);

struct SourceMap {
  // Text that came from one stretch of the source. What the reader added stands in no run.
  struct Run {
    TextRange text;
    Place source;
  };
  PlaceUnit unit = PlaceUnit::kByte;
  std::vector<Run> runs;  // by text

  // Of a range that is not empty. Within a run whose sizes differ in proportion. {0, 0}: no run is
  // in it.
  Place PlaceOf(TextRange range) const;

  // Of a text that stands in the source as `text` says.
  static SourceMap Of(const RepairedText& text);
};

}  // namespace kvlink::retrieval

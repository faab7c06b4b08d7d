#include "retrieval/rows.h"

#include <algorithm>
#include <utility>

namespace kvlink::retrieval {
namespace {

size_t LineEnd(std::string_view text, size_t at) {
  return std::min(text.find('\n', at), text.size());
}

// Where the row that begins at `begin` ends, before its newline.
size_t RowEnd(std::string_view text, size_t begin) {
  const size_t first_end = LineEnd(text, begin);
  bool quoted = false;
  size_t end = first_end;
  size_t at = begin;
  for (int line = 0; line < kMostLinesOfARow; ++line) {
    quoted ^= std::count(text.begin() + at, text.begin() + end, '"') % 2 != 0;
    if (!quoted) return end;
    if (end == text.size()) break;
    at = end + 1;
    end = LineEnd(text, at);
  }
  return first_end;
}

}  // namespace

Result<FileText> ReadRows(RepairedText text) {
  FileText file;
  file.map = SourceMap::Of(text);
  file.text = std::move(text.text);
  file.structure.by_lines = true;
  // After a quote that nothing closes quotes mean nothing: no row is looked for twice.
  bool quotes = true;
  for (size_t begin = 0; begin < file.text.size();) {
    const size_t line_end = LineEnd(file.text, begin);
    size_t end = line_end;
    if (quotes) {
      end = RowEnd(file.text, begin);
      const std::string_view line = std::string_view(file.text).substr(begin, line_end - begin);
      quotes = end > line_end || std::count(line.begin(), line.end(), '"') % 2 == 0;
    }
    if (end > line_end) file.structure.blocks.push_back({begin, end});
    const bool blank = Trimmed(file.text, {begin, end}).empty();
    if (!blank && file.structure.tables.empty()) {
      file.structure.tables.push_back({{begin, end}, file.text.size()});
    }
    begin = end + 1;
  }
  return file;
}

}  // namespace kvlink::retrieval

#include "retrieval/text_builder.h"

#include <algorithm>
#include <utility>

#include "retrieval/front_matter.h"

namespace kvlink::retrieval {
namespace {

constexpr size_t kNothingYet = std::string::npos;

// Whether as many bytes came as there are.
bool IsVerbatim(const SourceMap::Run& run) {
  return static_cast<int64_t>(run.text.size()) == run.source.end - run.source.begin;
}

}  // namespace

void TextBuilder::Part(Gap gap) {
  if (table_depth_ > 0) gap = std::min(gap, Gap::kSpace);
  gap_ = std::max(gap_, gap);
}

size_t TextBuilder::Append(std::string_view text) {
  static constexpr std::string_view kGaps[] = {"", " ", "\n", "\n\n"};
  std::string_view gap = file_.text.empty() ? "" : kGaps[static_cast<size_t>(gap_)];
  full_ |= gap.size() + text.size() > most_bytes_ - file_.text.size();
  if (full_) return file_.text.size();
  file_.text += gap;
  gap_ = Gap::kNone;
  if (std::exchange(item_, false) && table_depth_ == 0) file_.text += "- ";
  const size_t begin = file_.text.size();
  if (heading_begin_ == kNothingYet) heading_begin_ = begin;
  if (block_begin_ == kNothingYet) block_begin_ = begin;
  file_.text += text;
  return begin;
}

void TextBuilder::AddRun(TextRange text, Place source) {
  std::vector<SourceMap::Run>& runs = file_.map.runs;
  if (!runs.empty()) {
    SourceMap::Run& last = runs.back();
    const SourceMap::Run next{text, source};
    const bool same = last.source.begin == source.begin && last.source.end == source.end &&
                      file_.map.unit != PlaceUnit::kByte;
    // The gap between them is as long on both sides.
    const bool goes_on =
        IsVerbatim(last) && IsVerbatim(next) &&
        source.begin - last.source.end == static_cast<int64_t>(text.begin - last.text.end);
    if (same || goes_on) {
      last.text.end = text.end;
      last.source.end = source.end;
      return;
    }
  }
  runs.push_back({text, source});
}

void TextBuilder::AddWord(std::string_view word, Place place) {
  if (word.empty()) return;
  const size_t begin = Append(word);
  if (!full_) AddRun({begin, begin + word.size()}, place);
}

void TextBuilder::AddWords(std::string_view words, Place place) {
  for (size_t at = 0; at < words.size() && !full_;) {
    if (IsSpace(words[at])) {
      Space();
      ++at;
      continue;
    }
    const size_t begin = at;
    while (at < words.size() && !IsSpace(words[at])) ++at;
    AddWord(words.substr(begin, at - begin), place);
  }
}

void TextBuilder::AddVerbatim(std::string_view text, Place place) { AddWord(text, place); }

void TextBuilder::BeginItem() {
  LineBreak();
  item_ = true;
}

void TextBuilder::EndItem() {
  item_ = false;
  LineBreak();
}

void TextBuilder::BeginHeading(int level) {
  ParagraphBreak();
  if (table_depth_ > 0 || heading_level_ != 0) return;
  heading_level_ = level;
  heading_begin_ = kNothingYet;
}

void TextBuilder::EndHeading() {
  if (table_depth_ == 0 && heading_level_ != 0) {
    if (heading_begin_ != kNothingYet) {
      const TextRange range{heading_begin_, file_.text.size()};
      std::string title = OneSpaced(std::string_view(file_.text).substr(range.begin, range.size()));
      if (!title.empty() && title.size() <= kLongestHeading) {
        file_.structure.headings.push_back({heading_level_, std::move(title), range});
      }
    }
    heading_level_ = 0;
    heading_begin_ = 0;
  }
  ParagraphBreak();
}

void TextBuilder::BeginBlock() {
  ParagraphBreak();
  if (in_block_ || table_depth_ > 0) return;
  in_block_ = true;
  block_begin_ = kNothingYet;
}

void TextBuilder::EndBlock() {
  if (in_block_ && table_depth_ == 0) {
    if (block_begin_ != kNothingYet) {
      file_.structure.blocks.push_back({block_begin_, file_.text.size()});
    }
    in_block_ = false;
    block_begin_ = 0;
  }
  ParagraphBreak();
}

void TextBuilder::BeginTable() {
  if (table_depth_ == 0) {
    ParagraphBreak();
    rows_ = 0;
  }
  ++table_depth_;
}

void TextBuilder::BeginRow() {
  if (table_depth_ != 1) return Space();
  gap_ = std::max(gap_, Gap::kLine);
  row_begin_ = kNothingYet;
}

void TextBuilder::BeginCell() {
  if (table_depth_ != 1) return Space();
  const size_t begin = Append("|");
  if (row_begin_ == kNothingYet) row_begin_ = begin;
  Space();
}

void TextBuilder::EndCell() { Space(); }

void TextBuilder::EndRow() {
  if (table_depth_ != 1 || row_begin_ == kNothingYet) return;
  Append("|");
  const TextRange row{row_begin_, file_.text.size()};
  if (++rows_ == 1) first_row_ = row;
  gap_ = Gap::kLine;
}

void TextBuilder::EndTable() {
  if (--table_depth_ > 0) return;
  // A header that nothing follows need not be told apart.
  if (rows_ > 1 && !full_) file_.structure.tables.push_back({first_row_, file_.text.size()});
  ParagraphBreak();
}

}  // namespace kvlink::retrieval

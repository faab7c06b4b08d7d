// Builds a FileText from what a tree of paragraphs, headings and tables says, in its order: blanks
// collapse, paragraphs are parted by a blank line, a table's rows are lines "| a | b |".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "retrieval/text_structure.h"

namespace kvlink::retrieval {

class TextBuilder {
 public:
  // What is added above most_bytes is left out, and full() says so.
  TextBuilder(PlaceUnit unit, size_t most_bytes) : most_bytes_(most_bytes) {
    file_.map.unit = unit;
  }

  // Words of the source, whose place they share; no space stands between two calls unless asked
  // for.
  void AddWord(std::string_view word, Place place);
  // Every run of blanks is a space, also at the ends.
  void AddWords(std::string_view words, Place place);
  // Blanks and ends of lines stay.
  void AddVerbatim(std::string_view text, Place place);
  // What the source does not have.
  void AddOwn(std::string_view text) { Append(text); }

  void Space() { Part(Gap::kSpace); }
  void LineBreak() { Part(Gap::kLine); }
  void ParagraphBreak() { Part(Gap::kParagraph); }

  // What follows is a list's item, which a dash marks if anything does follow.
  void BeginItem();
  void EndItem();
  // Inside a table's cell a heading is text.
  void BeginHeading(int level);
  void EndHeading();
  // Of text in which blank lines part nothing.
  void BeginBlock();
  void EndBlock();
  // A table within a table's cell is text of that cell. REQUIRES: each Begin has its End.
  void BeginTable();
  void BeginRow();
  void BeginCell();
  void EndCell();
  void EndRow();
  void EndTable();

  bool full() const { return full_; }
  // Of the text so far, without breaks that nothing followed.
  size_t size() const { return file_.text.size(); }
  void SetTitle(std::string title) { file_.structure.title = std::move(title); }
  FileText Finish() && { return std::move(file_); }

 private:
  enum class Gap { kNone, kSpace, kLine, kParagraph };

  void Part(Gap gap);
  // Writes the gap, then the text; returns where the text begins.
  size_t Append(std::string_view text);
  void AddRun(TextRange text, Place source);

  FileText file_;
  size_t most_bytes_;
  Gap gap_ = Gap::kNone;
  bool full_ = false;
  bool item_ = false;         // begun, and nothing of it was written yet
  int heading_level_ = 0;     // 0: outside
  size_t heading_begin_ = 0;  // npos: nothing was written yet
  size_t block_begin_ = 0;    // likewise
  bool in_block_ = false;
  int table_depth_ = 0;
  int rows_ = 0;
  size_t row_begin_ = 0;
  TextRange first_row_;
};

}  // namespace kvlink::retrieval

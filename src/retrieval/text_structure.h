// What a reader found in a file: its text, what of it are headings, tables and code, and where each
// piece of it stands in the file. Values; readers make them, retrieval/splitter.h cuts by them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/status.h"
#include "retrieval/boundaries.h"
#include "retrieval/source_map.h"

namespace kvlink::retrieval {

// A longer line is no heading: titles go with every part below them.
inline constexpr size_t kLongestHeading = 200;

struct Heading {
  int level = 1;      // 1 is the highest
  std::string title;  // without markup, one line, not empty
  TextRange range;    // its lines in the text
};

// A table's header without the last newline, and where its rows end.
struct TableHeader {
  TextRange header;
  size_t rows_end = 0;
};

// Offsets are into the text that it belongs to; lists are in the order of the text.
struct TextStructure {
  std::string title;      // of the whole text; may be empty
  size_t body_begin = 0;  // what stands before is in no part (front matter)
  bool by_lines = false;  // cut at lines, never at sentences: rows of data, source code
  std::vector<Heading> headings;
  std::vector<TableHeader> tables;
  std::vector<TextRange> blocks;  // inside which blank lines part nothing: code, rows of many lines
};

struct FileText {
  std::string text;  // well-formed UTF-8
  TextStructure structure;
  SourceMap map;
  std::vector<std::string> notes;  // what the reader has to tell: "has 3 pages without text"
};

struct Section {
  // The structure's title and the headings from the top, joined by " > ". Empty before the first
  // heading of a text without a title.
  std::string title;
  TextRange body;  // trimmed, not empty
};

// The sections in order. Every character from body_begin on that is no space stands in a body or in
// a heading, and every heading in the title of some section; a heading that nothing follows is
// itself the body, under the headings above it. A text that has nothing but what stands before
// body_begin is one section.
std::vector<Section> SectionsOf(std::string_view text, const TextStructure& structure);

// A FileText as bytes and back, to cross from one process to another. kDataLoss: they are none.
std::string SerializeFileText(const FileText& file);
Result<FileText> ParseFileText(std::string_view bytes);

}  // namespace kvlink::retrieval

// What DOCX and ODT have in common: parts that must be there, a title among a document's
// properties, paragraphs that are counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kvlink/status.h"
#include "retrieval/archive.h"
#include "retrieval/text_builder.h"

namespace kvlink::retrieval {

// The part, or kInvalidArgument: "is no DOCX: it has no part word/document.xml".
Result<std::string_view> PartOf(const ArchiveParts& parts, std::string_view name,
                                std::string_view format);

// The first <title> (Dublin Core) of a part of properties, in one line; empty: none.
std::string TitleAmong(const ArchiveParts& parts, std::string_view name);

// Counts paragraphs, whose numbers are the places of the words in them.
class ParagraphPlaces {
 public:
  void Next() { ++number_; }
  Place Here() const { return {number_, number_ + 1}; }

 private:
  int64_t number_ = 0;
};

}  // namespace kvlink::retrieval

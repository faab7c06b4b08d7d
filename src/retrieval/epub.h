// EPUB's books: a ZIP file whose package says in which order its pages of XHTML are read. Each page
// is read as HTML; the one that is the table of contents is left out.
#pragma once

#include <string>
#include <string_view>

#include "kvlink/status.h"
#include "retrieval/reader.h"

namespace kvlink::retrieval {

// Places are chapters: the pages in reading order, from 1. kInvalidArgument: damaged, encrypted, or
// no EPUB.
Result<FileText> ReadEpub(RepairedText bytes);

// The name of the part that `reference`, percent-encoded, means in the part `from`. Never leads out
// of the archive.
std::string ResolvePart(std::string_view from, std::string_view reference);

}  // namespace kvlink::retrieval

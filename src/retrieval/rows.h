// Comma- and tab-separated values as rows under their header. Pure. The text stays as it is.
#pragma once

#include "kvlink/status.h"
#include "retrieval/repaired_text.h"
#include "retrieval/text_structure.h"

namespace kvlink::retrieval {

// RFC 4180: a field in double quotes may hold ends of lines, up to kMostLinesOfARow; a quote that
// nothing closes is a character. The first row is the header.
inline constexpr int kMostLinesOfARow = 1000;
Result<FileText> ReadRows(RepairedText text);

}  // namespace kvlink::retrieval

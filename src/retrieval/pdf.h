// PDF's text, page by page (poppler). Pictures are not read, nor is what forms hold.
#pragma once

#include "kvlink/status.h"
#include "retrieval/reader.h"

namespace kvlink::retrieval {

// Places are pages. kInvalidArgument: damaged, or it asks for a password.
Result<FileText> ReadPdf(RepairedText bytes);

// Words that a hyphen cuts at a line's end, whole again: where a letter stands before it and a
// small letter begins the next line.
std::string WithJoinedHyphens(std::string_view text);

}  // namespace kvlink::retrieval

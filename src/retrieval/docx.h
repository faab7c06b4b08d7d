// Word's documents (ECMA-376): a ZIP file of XML parts. Headings are paragraphs of the built-in
// styles or with an outline level. Left out: headers, footers, notes, comments, deleted text.
#pragma once

#include "kvlink/status.h"
#include "retrieval/reader.h"

namespace kvlink::retrieval {

// Places are paragraphs. kInvalidArgument: damaged, encrypted, or no DOCX.
Result<FileText> ReadDocx(RepairedText bytes);

}  // namespace kvlink::retrieval

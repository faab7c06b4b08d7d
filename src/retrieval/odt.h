// OpenDocument's texts (ISO/IEC 26300): a ZIP file of XML parts. Left out: notes, annotations,
// deleted text, tables of contents, repetitions of cells.
#pragma once

#include "kvlink/status.h"
#include "retrieval/reader.h"

namespace kvlink::retrieval {

// Places are paragraphs. kInvalidArgument: damaged, encrypted, or no ODT.
Result<FileText> ReadOdt(RepairedText bytes);

}  // namespace kvlink::retrieval

// Text without marks of its own, and source code, which is cut at lines. Pure.
#pragma once

#include "kvlink/status.h"
#include "retrieval/repaired_text.h"
#include "retrieval/text_structure.h"

namespace kvlink::retrieval {

Result<FileText> ReadPlainText(RepairedText text);
Result<FileText> ReadSourceCode(RepairedText text);

}  // namespace kvlink::retrieval

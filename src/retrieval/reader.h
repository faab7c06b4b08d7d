// What all readers of documents share: their shape and their bounds. A reader turns a file's bytes
// into a FileText and knows nothing of names, folders or tokens; retrieval/formats.h says which
// reads what.
#pragma once

#include <cstdint>

#include "kvlink/status.h"
#include "retrieval/repaired_text.h"
#include "retrieval/text_builder.h"
#include "retrieval/text_structure.h"

namespace kvlink::retrieval {

// `text` is the file: decoded where it is text, its bytes where it is not. Failures are
// kInvalidArgument or kUnsupported and name no file. A reader that goes through a library may abort
// or run without end on bytes that are made for it: it is to be called within RunApart.
using Reader = Result<FileText> (*)(RepairedText text);

inline constexpr size_t kMostTextBytes = 256 << 20;  // of one file

// The text that was built. kInvalidArgument: there was more than it holds.
Result<FileText> FinishReading(TextBuilder builder);

}  // namespace kvlink::retrieval

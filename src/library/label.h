// The label that is kept with a document's block: the document itself, as JSON, so that the list of
// documents can be restored from the blocks alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kvlink/documents.h"
#include "kvlink/engine.h"
#include "retrieval/sources.h"

namespace kvlink::library {

std::string LabelOf(const retrieval::SourceDocument& document);
// Nothing if the label is not one of a document (the system text's block has another).
std::optional<retrieval::SourceDocument> ParseLabel(std::string_view label);

// The same document as the engine takes it, label included.
Document ToEngine(const retrieval::SourceDocument& document);
Document ToEngine(const IndexedDocument& document);

}  // namespace kvlink::library

// Where an answer comes from: the files, headings and lines of the documents in its prompt.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kvlink/engine.h"
#include "retrieval/document_index.h"
#include "retrieval/evidence.h"

namespace kvlink::cli {

struct Lines {
  int64_t first = 0, last = 0;  // from 1
};

// Where a document stands in its file now. None: it has no file (standard input, a kept answer) or
// no lines (a PDF), or the file is not as it was when it was indexed.
std::optional<Lines> LinesOf(const IndexedDocument& document);

// The heading path within the file; empty: the title is no more than the file's name.
std::string HeadingOf(const IndexedDocument& document);

// "notes/ferries.md, lines 3-9: Ferries > Timetable", "fares.pdf, pages 3-4". The path as short as
// it can be from where the user stands, unless it is to be `whole`.
std::string PlaceOf(const IndexedDocument& document, bool whole);

// The sentence; its passage is an index into the documents.
std::string SentenceOf(const Evidence& evidence, const std::vector<IndexedDocument>& documents);

// The places of the documents that stand in the prompt, a line each, below a head, and below the
// one that has it the sentence that supports the answer; empty: none does. documents: in the
// answer's order.
std::string DescribeSources(const Answer& answer, const std::vector<IndexedDocument>& documents,
                            const std::optional<Evidence>& evidence, bool whole);

}  // namespace kvlink::cli

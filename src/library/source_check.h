// What people are told when texts changed or went since they were indexed.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "library/warn.h"
#include "retrieval/document_index.h"

namespace kvlink::library {

// Fills in how the documents' files stand now, and warns of each that is not as it was. Cheap: a
// file is read only where its size is the same and its time of change is not.
Status CheckSources(retrieval::DocumentIndex& index, std::vector<IndexedDocument>* documents,
                    const Warn& warn);

// Warns of the indexed files that changed or are gone, but for those of `seen`, which this run
// read.
Status WarnOfOtherStale(retrieval::DocumentIndex& index, const std::set<std::string>& seen,
                        const Warn& warn);

}  // namespace kvlink::library

// What the blocks of documents take on disk and in time, told before they are computed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kvlink/library.h"
#include "retrieval/document_index.h"

namespace kvlink::library {

// Bytes that the block of a document takes on disk. text_bytes: of its title and text.
int64_t BlockBytes(const ModelSummary& model, int64_t tokens, int64_t text_bytes);

// Milliseconds that a token takes, measured on the first of the documents, whose blocks are removed
// again; -1: not known.
double MeasureMsPerToken(Engine& engine, retrieval::DocumentIndex& index,
                         const std::vector<std::string>& ids);

// Of the disk that the folder lies on; -1: not known.
int64_t FreeBytes(const std::string& folder);

// What blocks may take of so many free bytes: the rest is for the databases and for others.
int64_t RoomOnDisk(int64_t free_bytes);

}  // namespace kvlink::library

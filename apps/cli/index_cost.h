// What indexing will take in disk and time, told before it starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/session.h"
#include "kvlink/engine.h"
#include "retrieval/sources.h"

namespace kvlink::cli {

// Bytes that the block of a document takes on disk.
int64_t BlockBytes(const ModelSummary& model, int64_t tokens, int64_t label_bytes);

struct IndexCost {
  int64_t documents = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;        // on disk, blocks and list; from a sample where documents are many
  int64_t free_bytes = -1;  // of the store's disk; -1: not known
  double ms = -1;           // -1: not measured
};

// Of the documents, which have no blocks yet. budget_left: bytes that may still be stored; -1: no
// limit.
IndexCost EstimateCost(const Engine& engine, const std::vector<const SourceDocument*>& documents,
                       int64_t budget_left);
// Measures how long it takes on the first documents, whose blocks are removed again.
void MeasureTime(Engine& engine, const std::vector<const SourceDocument*>& documents,
                 IndexCost* cost);
int64_t FreeBytes(const std::string& folder);

enum class CostVerdict {
  kSmall,   // not worth a word
  kTell,    // a line
  kAsk,     // people are asked, and a line is enough for programs
  kRefuse,  // people are asked, programs must have said yes
};
CostVerdict Judge(const IndexCost& cost);

// "1,764 documents, some 170,000 tokens: about 3.7 GiB on disk (12.0 GiB are free) and 7:10 min"
std::string Describe(const IndexCost& cost);

// Tells or asks, as the verdict has it. OK: go on; kCancelled: people said no; kFailedPrecondition:
// too much for a program that did not say yes.
Status Agree(const IndexCost& cost, bool yes, Session& session);

}  // namespace kvlink::cli

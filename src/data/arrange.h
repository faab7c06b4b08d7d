// Arranging an example before it is asked or trained on: the order, number and size of its
// documents. Pure; `gold` always follows the documents it names. Not here: reading (readers.h).
#pragma once

#include <cstdint>

#include "data/example.h"

namespace kvlink::data {

// A shuffle decided by `seed` and the example's id alone: the same on every machine, whichever
// examples stand around it.
void ShuffleDocuments(Example* example, uint64_t seed);

// Keeps at most n documents: all gold ones first, then the first others, in their original order.
// Where there are more than n gold ones, the first n of them. Of a chat, the last n: its latest
// turns. REQUIRES: n >= 0
void KeepDocuments(Example* example, int32_t n);

// Moves the first gold document (gold[0]) to `position`, or to the end where there are fewer
// documents; the others keep their order. Without gold nothing moves. REQUIRES: position >= 0
void MoveGold(Example* example, int32_t position);

// Cuts every document into pieces of at most max_words words (data/pieces.h), each a document with
// the same title. The pieces of a gold document are all gold. REQUIRES: max_words >= 1
void CutIntoPieces(Example* example, int64_t max_words);

}  // namespace kvlink::data

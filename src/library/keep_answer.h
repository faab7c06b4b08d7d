// ask --keep-answer: the answer becomes a document, so that the next prompt (another agent's, say)
// links it without encoding it. After RelayCaching (arXiv 2603.13289), with one difference:
// RelayCaching reuses the KV that decoding left; here the answer's text is encoded again, alone, as
// every document is. The KV of decoding saw the system text, the documents and the question; its
// keys stand at other positions; the link file's adapter acted on it; and its tokens need not be
// those of the rendered document. A block is decided by its document's tokens alone, so that it
// serves any prompt and a second encoding gives the same bytes: the KV of decoding could not keep
// that promise. The price is one pass over the answer, off the next prompt's path.
#pragma once

#include <string>

#include "kvlink/engine.h"
#include "kvlink/library.h"
#include "retrieval/document_index.h"

namespace kvlink::library {

// What the source of a kept answer begins with.
inline constexpr char kAnswerSource[] = "answer:";

// The answer without the white space around it, which `index` leaves out too.
// kInvalidArgument: the answer has no text, or more than the context holds; kResourceExhausted: the
// block could not be kept, and nothing is.
Result<KeptAnswer> KeepAnswer(const std::string& answer, const std::string& title, Engine& engine,
                              retrieval::DocumentIndex& index);

}  // namespace kvlink::library

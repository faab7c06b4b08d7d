#include "library/keep_answer.h"

#include "base/clock.h"
#include "base/hash.h"
#include "library/label.h"
#include "retrieval/boundaries.h"
#include "retrieval/read_source.h"
#include "retrieval/repaired_text.h"

namespace kvlink::library {

Result<KeptAnswer> KeepAnswer(const std::string& answer, const std::string& title, Engine& engine,
                              retrieval::DocumentIndex& index) {
  const retrieval::TextRange range = retrieval::Trimmed(answer, {0, answer.size()});
  const std::string text = answer.substr(range.begin, range.size());
  if (text.empty()) return InvalidArgument("the answer has no text: nothing was kept");
  retrieval::SourceDocument document;
  document.title = retrieval::RepairUtf8(title).text;  // as it will be kept
  document.id = retrieval::DocumentId(document.title, text);
  document.text = text;
  document.source = kAnswerSource + document.id;
  document.end = static_cast<int64_t>(text.size());

  retrieval::SourceFile source;
  source.path = document.source;
  source.content_hash = ToHex(Sha256().Field(document.title).Field(text).Finish());
  source.documents = {document};
  const Document rendered = ToEngine(document);
  const Described described = engine.Describe(rendered);
  KeptAnswer kept;
  kept.document = {document.id, document.title, document.text, document.source, 0, document.end};
  kept.document.tokens = kept.tokens = described.tokens;
  KVLINK_ASSIGN_OR_RETURN(const bool known, index.IsUnchanged(source.path, source.content_hash));
  // The row before the block: a block that no row names would outlive its document.
  KVLINK_RETURN_IF_ERROR(
      index.Add(document, /*ordinal=*/0, kept.tokens, described.block, engine.BlockSpace()));
  const double before_ms = Clock::System().MonotonicMs();
  const Result<Encoded> encoded = engine.Encode(rendered);
  const bool has_block = encoded.ok() && encoded->why.empty();
  if (!has_block && !known) {
    KVLINK_RETURN_IF_ERROR(index.ForgetSource(source.path).status());
    KVLINK_RETURN_IF_ERROR(index.Scrub());
  } else {
    KVLINK_RETURN_IF_ERROR(index.FinishSource(source).status());
  }
  if (!encoded.ok()) {
    return Status(encoded.code(), "the answer was not kept: " + encoded.status().message());
  }
  if (!has_block) {
    return ResourceExhausted("the answer's block could not be kept: " + encoded->why);
  }
  kept.encode_ms = Clock::System().MonotonicMs() - before_ms;
  kept.status = encoded->status;
  return kept;
}

}  // namespace kvlink::library

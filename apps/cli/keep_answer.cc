#include "cli/keep_answer.h"

#include "base/clock.h"
#include "base/hash.h"
#include "cli/label.h"
#include "retrieval/boundaries.h"
#include "retrieval/repaired_text.h"

namespace kvlink::cli {

Result<KeptAnswer> KeepAnswer(const std::string& answer, const std::string& title, Engine& engine,
                              DocumentIndex& index) {
  const TextRange range = Trimmed(answer, {0, answer.size()});
  const std::string text = answer.substr(range.begin, range.size());
  if (text.empty()) return InvalidArgument("the answer has no text: nothing was kept");
  KeptAnswer kept;
  SourceDocument& document = kept.document;
  document.title = RepairUtf8(title).text;  // as it will be kept
  document.id = DocumentId(document.title, text);
  document.text = text;
  document.source = kAnswerSource + document.id;
  document.end = static_cast<int64_t>(text.size());

  SourceFile source;
  source.path = document.source;
  source.content_hash = ToHex(Sha256().Field(document.title).Field(text).Finish());
  source.documents = {document};
  const Document rendered = ToEngine(document);
  kept.tokens = engine.CountDocumentTokens(rendered);
  KVLINK_ASSIGN_OR_RETURN(const bool known, index.IsUnchanged(source.path, source.content_hash));
  // The row before the block: a block that no row names would outlive its document.
  KVLINK_RETURN_IF_ERROR(
      index.Add(document, /*ordinal=*/0, kept.tokens, engine.BlockIdOf(rendered)));
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

Json KeptAnswerToJson(const KeptAnswer& kept) {
  return {{"id", kept.document.id},         {"title", kept.document.title},
          {"source", kept.document.source}, {"tokens", kept.tokens},
          {"status", kept.status},          {"encode_ms", kept.encode_ms}};
}

}  // namespace kvlink::cli

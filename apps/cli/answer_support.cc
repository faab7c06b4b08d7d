#include "cli/answer_support.h"

#include "cli/sources_output.h"

namespace kvlink::cli {

std::string NotFoundWarning(const AnswerSupport& support) {
  if (!support.grounding || support.grounding->grounded) return "";
  return "the documents do not seem to answer this: " + support.grounding->why;
}

void AddSupport(const AnswerSupport& support, const std::vector<IndexedDocument>& documents,
                Json* json) {
  Json evidence, grounded;
  if (support.evidence) {
    const Evidence& e = *support.evidence;
    evidence = {{"document", documents[e.passage].id},
                {"sentence", SentenceOf(e, documents)},
                {"begin", e.begin},
                {"end", e.end},
                {"confidence", e.confidence}};
  }
  if (support.grounding) {
    grounded = {{"score", support.grounding->score},
                {"verdict", support.grounding->grounded ? "grounded" : "not_found"},
                {"why", support.grounding->why}};
  }
  (*json)["evidence"] = std::move(evidence);
  (*json)["grounded"] = std::move(grounded);
}

}  // namespace kvlink::cli

#include "cli/answer_support.h"

#include <algorithm>

#include "cli/sources_output.h"

namespace kvlink::cli {

AnswerSupport SupportOf(const std::string& question, const Answer& answer,
                        const std::vector<IndexedDocument>& documents,
                        std::optional<double> coverage) {
  AnswerSupport support;
  if (answer.finish_reason == "cancelled") return support;
  std::vector<Passage> passages;
  for (size_t i = 0; i < documents.size(); ++i) {
    const bool dropped = i < answer.documents.size() && answer.documents[i].status == "dropped";
    passages.push_back(dropped ? Passage() : Passage{documents[i].title, documents[i].text});
  }
  support.evidence = FindEvidence(question, answer.text, passages);
  if (!coverage) return support;
  GroundingSigns signs;
  signs.coverage = *coverage;
  for (const GeneratedToken& token : answer.generated) {
    const auto logprob = static_cast<double>(token.logprob);
    signs.least_logprob = std::min(signs.least_logprob, logprob);
    signs.mean_logprob += logprob / static_cast<double>(answer.generated.size());
  }
  signs.tokens = static_cast<int64_t>(answer.generated.size());
  signs.sentence_support = SentenceSupport(question, answer.text, passages);
  signs.share_in_passages = ShareInPassages(question, answer.text, passages);
  support.grounding = JudgeGrounding(signs);
  return support;
}

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

#include "library/answer_support.h"

#include <algorithm>

#include "retrieval/evidence.h"
#include "retrieval/grounding.h"

namespace kvlink::library {

AnswerSupport SupportOf(const std::string& question, const Answer& answer,
                        const std::vector<IndexedDocument>& documents,
                        std::optional<double> coverage) {
  AnswerSupport support;
  if (answer.finish_reason == FinishReason::kCancelled) return support;
  std::vector<retrieval::Passage> passages;
  for (size_t i = 0; i < documents.size(); ++i) {
    const bool dropped = i < answer.document_uses.size() &&
                         answer.document_uses[i].status == DocumentStatus::kDropped;
    passages.push_back(dropped ? retrieval::Passage()
                               : retrieval::Passage{documents[i].title, documents[i].text});
  }
  support.evidence = retrieval::FindEvidence(question, answer.text, passages);
  if (!coverage) return support;
  retrieval::GroundingSigns signs;
  signs.coverage = *coverage;
  for (const GeneratedToken& token : answer.generated) {
    const auto logprob = static_cast<double>(token.logprob);
    signs.least_logprob = std::min(signs.least_logprob, logprob);
    signs.mean_logprob += logprob / static_cast<double>(answer.generated.size());
  }
  signs.tokens = static_cast<int64_t>(answer.generated.size());
  signs.sentence_support = retrieval::SentenceSupport(question, answer.text, passages);
  signs.share_in_passages = retrieval::ShareInPassages(question, answer.text, passages);
  support.grounding = retrieval::JudgeGrounding(signs);
  return support;
}

}  // namespace kvlink::library

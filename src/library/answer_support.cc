#include "library/answer_support.h"

#include <algorithm>

#include "retrieval/evidence.h"
#include "retrieval/grounding.h"

namespace kvlink {

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

}  // namespace kvlink

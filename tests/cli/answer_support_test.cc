// What the documents say for an answer, as it is told (cli/answer_support.h).
#include "library/answer_support.h"
#include "cli/answer_support.h"

#include <gtest/gtest.h>

#include "cli/sources_output.h"

namespace kvlink::cli {
namespace {

const std::vector<IndexedDocument> kDocuments = [] {
  std::vector<IndexedDocument> documents(2);
  documents[0].id = "aa";
  documents[0].title = "Beetles";
  documents[0].text = "The lumivar beetle eats resin.";
  documents[1].id = "bb";
  documents[1].source = "/notes/ferries.md";
  documents[1].text = "It is orange. The ferry leaves at 6:40.";
  return documents;
}();

Answer MakeAnswer(const std::string& text, float logprob) {
  Answer answer;
  answer.text = text;
  answer.finish_reason = FinishReason::kStop;
  answer.generated.push_back({1, text, logprob, {}});
  answer.document_uses.resize(kDocuments.size());
  return answer;
}

TEST(AnswerSupport, TheSentenceAndTheVerdict) {
  const AnswerSupport support =
      library::SupportOf("When does the ferry leave?", MakeAnswer("6:40", -0.1f), kDocuments, 1.0);
  Json json;
  AddSupport(support, kDocuments, &json);
  EXPECT_EQ(json["evidence"]["document"], "bb");
  EXPECT_EQ(json["evidence"]["sentence"], "The ferry leaves at 6:40.");
  EXPECT_EQ(json["evidence"]["begin"], 14);
  EXPECT_EQ(json["evidence"]["end"], 39);
  EXPECT_EQ(json["grounded"]["verdict"], "grounded");
  EXPECT_EQ(json["grounded"]["why"], "");
  EXPECT_EQ(NotFoundWarning(support), "");
  EXPECT_EQ(
      DescribeSources(MakeAnswer("6:40", -0.1f), kDocuments, support.evidence, false),
      "Sources:\n  1. : Beetles\n  2. /notes/ferries.md\n     \"The ferry leaves at 6:40.\"\n");
}

TEST(AnswerSupport, WhatIsNotThereIsSaid) {
  const AnswerSupport support = library::SupportOf("Who invented the trindle?",
                                                   MakeAnswer("Joren Mabb", -3), kDocuments, 0.2);
  Json json;
  AddSupport(support, kDocuments, &json);
  EXPECT_TRUE(json["evidence"].is_null());
  EXPECT_EQ(json["grounded"]["verdict"], "not_found");
  EXPECT_EQ(NotFoundWarning(support).find("the documents do not seem to answer this: "), 0u);
}

TEST(AnswerSupport, NothingIsJudgedWhereNothingCanBe) {
  // Documents that were named; an answer that was stopped.
  EXPECT_FALSE(library::SupportOf("Who?", MakeAnswer("x", -9), kDocuments, std::nullopt).grounding);
  Answer stopped = MakeAnswer("x", -9);
  stopped.finish_reason = FinishReason::kCancelled;
  EXPECT_FALSE(library::SupportOf("Who?", stopped, kDocuments, 0.1).grounding);
}

TEST(AnswerSupport, ADroppedDocumentSaysNothing) {
  Answer answer = MakeAnswer("6:40", -0.1f);
  answer.document_uses[1].status = DocumentStatus::kDropped;
  EXPECT_FALSE(library::SupportOf("When does the ferry leave?", answer, kDocuments, 1.0).evidence);
}

}  // namespace
}  // namespace kvlink::cli

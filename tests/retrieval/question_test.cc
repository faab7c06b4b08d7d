#include "retrieval/question.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvlink::retrieval {
namespace {

using Strings = std::vector<std::string>;

Strings Kept(std::string_view question) {
  Strings words;
  for (const QuestionWord& word : QuestionWords(question)) {
    if (!word.common) words.push_back(word.forms.front());
  }
  return words;
}

TEST(Question, LeavesOutWhatEveryQuestionHas) {
  const struct {
    std::string_view question;
    Strings kept;
  } cases[] = {
      {"", {}},
      {" ?!. ", {}},
      {"harbour ferry", {"harbour", "ferri"}},
      {"Harbour, harbour; HARBOUR", {"harbour"}},
      {"What is the colour of the tower?", {"colour", "tower"}},
      {"What is that?", {}},
      {"WHAT IS THE COLOUR", {"colour"}},
      {"don't panic", {"don", "panic"}},
      {"don\u2019t panic", {"don", "panic"}},
      {"Where does Will sleep?", {"will", "sleep"}},  // a capital inside: a name
      {"What did WHO recommend?", {"who", "recommend"}},
      {"Will it rain? Will it stay?", {"rain", "stay"}},  // the first word of a sentence
      {"a\"b\" * (c:d) NEAR/3 ^e -f", {"b", "c", "near", "3", "e", "f"}},
      {"M\u00fcller", {"muller"}},
      // Also in other languages, and behind their punctuation.
      {"Wann beginnt die Probe?", {"beginnt", "die", "probe"}},
      {"\u00bfCu\u00e1ndo sale el ferry? \u2014 \u201eWo liegt er?\u201c",
       {"sale", "el", "ferri", "liegt", "er"}},
      {"Summarise the meeting", {"meet"}},
  };
  for (const auto& c : cases) EXPECT_EQ(Kept(c.question), c.kept) << c.question;
  EXPECT_EQ(QuestionWords("What is that?").size(), 3u);  // known, for when nothing else is
}

TEST(Question, WantsATextWhereOneFactIsNoAnswer) {
  for (const char* question :
       {"Summarise the meeting", "Please explain the deposit.", "Give me an overview of the rooms",
        "A summary of lease.md, please"}) {
    EXPECT_TRUE(WantsText(question)) << question;
  }
  for (const char* question : {"When is the meeting?", "", "Who wrote to explain it?"}) {
    EXPECT_FALSE(WantsText(question)) << question;
  }
}

TEST(Question, NamesFiles) {
  EXPECT_EQ(FileNamesIn("Summarise \u201clease.md\u201d and notes/car.txt."),
            (Strings{"lease.md", "notes/car.txt"}));
  EXPECT_EQ(FileNamesIn("What is this? Nothing."), Strings{});
  EXPECT_EQ(FileNamesIn(".. . .a (b.c)?"), Strings{"b.c"});
}

}  // namespace
}  // namespace kvlink::retrieval

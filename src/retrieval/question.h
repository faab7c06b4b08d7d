// A question as words to search for. Pure: what of it is in the index, and how it is ranked, is
// retrieval/search.h's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvlink::retrieval {

struct QuestionWord {
  std::string written;  // as the question has it
  // As the index may have it: the stem, then the word unstemmed.
  std::vector<std::string> forms;
  // A word that every question has ("what", "is", "the"; of Japanese its syllables). Left out of a
  // search only if the other words find something: "Will", "WHO" and "US" are names too.
  bool common = false;
};

// In the question's order, none twice.
std::vector<QuestionWord> QuestionWords(std::string_view question);

// Whether it wants a text, not a fact: a summary, an explanation, a comparison (in English).
bool WantsText(std::string_view question);

// What may be a file's name in it: runs without spaces or quotation marks that have a point inside.
std::vector<std::string> FileNamesIn(std::string_view question);

}  // namespace kvlink::retrieval

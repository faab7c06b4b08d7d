#include "retrieval/evidence.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_set>
#include <vector>

#include "retrieval/boundaries.h"
#include "retrieval/question.h"
#include "retrieval/search_words.h"

namespace kvlink::retrieval {
namespace {

constexpr double kLeastAnswerShare = 0.75;
constexpr double kLeastQuestionShare = 0.2;

using Words = std::unordered_set<std::string>;

bool IsIn(const QuestionWord& word, const Words& words) {
  return std::any_of(word.forms.begin(), word.forms.end(),
                     [&](const std::string& form) { return words.contains(form); });
}

void AddWords(std::string_view text, Words* words) {
  for (SearchWord& word : SearchWords(text)) words->insert(std::move(word.word));
}

// The words that tell one text from another: none that every text has, unless there are no others.
std::vector<QuestionWord> TellingWords(std::string_view text) {
  std::vector<QuestionWord> words = QuestionWords(text);
  const auto common = [](const QuestionWord& word) { return word.common; };
  if (!std::all_of(words.begin(), words.end(), common)) std::erase_if(words, common);
  return words;
}

// What the answer says beyond the question: an answer in a whole sentence repeats it. Empty where
// that is nothing, or a yes or no, which no sentence says.
std::vector<QuestionWord> WordsOfAnswer(std::string_view question, std::string_view answer) {
  Words asked;
  AddWords(question, &asked);
  std::vector<QuestionWord> words = TellingWords(answer);
  std::erase_if(words, [&](const QuestionWord& word) { return IsIn(word, asked); });
  const bool says_yes_or_no =
      words.size() == 1 && (words[0].forms.front() == "yes" || words[0].forms.front() == "no");
  if (says_yes_or_no) words.clear();
  return words;
}

struct Candidate {
  size_t passage;
  TextRange range;
  Words words;
};

std::vector<Candidate> AllSentences(std::span<const Passage> passages) {
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < passages.size(); ++i) {
    const std::string_view text = passages[i].text;
    for (const TextRange range : Sentences(text, {0, text.size()})) {
      candidates.push_back({i, range, {}});
      AddWords(text.substr(range.begin, range.size()), &candidates.back().words);
    }
  }
  return candidates;
}

// Of each word, how few of the sentences have it.
std::vector<double> Weights(const std::vector<QuestionWord>& words,
                            const std::vector<Candidate>& candidates) {
  std::vector<double> weights;
  weights.reserve(words.size());
  for (const QuestionWord& word : words) {
    const auto have = std::count_if(candidates.begin(), candidates.end(),
                                    [&](const Candidate& c) { return IsIn(word, c.words); });
    weights.push_back(std::log(1 + static_cast<double>(candidates.size()) /
                                       std::max(0.5, static_cast<double>(have))));
  }
  return weights;
}

// Of the words, by weight; 1 where there are none. `more` may be null.
double ShareOf(const std::vector<QuestionWord>& words, const std::vector<double>& weights,
               const Words& in, const Words* more) {
  double all = 0, there = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    all += weights[i];
    if (IsIn(words[i], in) || (more != nullptr && IsIn(words[i], *more))) there += weights[i];
  }
  return all > 0 ? there / all : 1;
}

// What FindEvidence and SentenceSupport go by, of each sentence.
struct Shares {
  const Candidate* candidate;
  double of_answer, of_question;
};

std::vector<Shares> SharesOfSentences(std::string_view question,
                                      const std::vector<QuestionWord>& answered,
                                      std::span<const Passage> passages,
                                      const std::vector<Candidate>& candidates) {
  const std::vector<QuestionWord> asked = TellingWords(question);
  const std::vector<double> answer_weights = Weights(answered, candidates);
  const std::vector<double> question_weights = Weights(asked, candidates);
  // A sentence need not name what its title names.
  std::vector<Words> titles(passages.size());
  for (size_t i = 0; i < passages.size(); ++i) AddWords(passages[i].title, &titles[i]);
  std::vector<Shares> shares;
  for (const Candidate& c : candidates) {
    shares.push_back({&c, ShareOf(answered, answer_weights, c.words, nullptr),
                      ShareOf(asked, question_weights, c.words, &titles[c.passage])});
  }
  return shares;
}

}  // namespace

std::optional<Evidence> FindEvidence(std::string_view question, std::string_view answer,
                                     std::span<const Passage> passages) {
  const std::vector<QuestionWord> answered = WordsOfAnswer(question, answer);
  if (answered.empty()) return std::nullopt;
  const std::vector<Candidate> candidates = AllSentences(passages);
  std::optional<Evidence> best;
  for (const Shares& shares : SharesOfSentences(question, answered, passages, candidates)) {
    if (shares.of_answer < kLeastAnswerShare || shares.of_question < kLeastQuestionShare) continue;
    const Candidate& candidate = *shares.candidate;
    const double confidence = (shares.of_answer + shares.of_question) / 2;
    // Of equal ones the first of the later passage, which the search found better.
    if (best && (best->confidence > confidence ||
                 (best->confidence == confidence && best->passage == candidate.passage))) {
      continue;
    }
    best = {candidate.passage, candidate.range.begin, candidate.range.end, confidence};
  }
  return best;
}

double SentenceSupport(std::string_view question, std::string_view answer,
                       std::span<const Passage> passages) {
  const std::vector<Candidate> candidates = AllSentences(passages);
  double most = 0;
  for (const Shares& shares :
       SharesOfSentences(question, WordsOfAnswer(question, answer), passages, candidates)) {
    if (shares.of_answer >= kLeastAnswerShare) most = std::max(most, shares.of_question);
  }
  return most;
}

double ShareInPassages(std::string_view question, std::string_view answer,
                       std::span<const Passage> passages) {
  const std::vector<QuestionWord> words = WordsOfAnswer(question, answer);
  if (words.empty()) return 1;
  Words there;
  for (const Passage& passage : passages) {
    AddWords(passage.title, &there);
    AddWords(passage.text, &there);
  }
  const auto count = std::count_if(words.begin(), words.end(),
                                   [&](const QuestionWord& word) { return IsIn(word, there); });
  return static_cast<double>(count) / static_cast<double>(words.size());
}

}  // namespace kvlink::retrieval

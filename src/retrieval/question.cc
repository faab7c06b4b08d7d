// A question as words (retrieval/question.h).
#include "retrieval/question.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "retrieval/search_words.h"
#include "text/unicode.h"

namespace kvlink::retrieval {
namespace {

using namespace std::string_view_literals;

// Sorted, folded. What questions begin with also in German, French, Spanish and Italian: documents
// have their "when" less often. Also what an apostrophe leaves behind ("what's", "don't").
constexpr std::array kCommonWords = {
    "a"sv,       "about"sv,   "an"sv,        "and"sv,       "any"sv,     "are"sv,     "as"sv,
    "at"sv,      "be"sv,      "been"sv,      "by"sv,        "can"sv,     "chi"sv,     "combien"sv,
    "comment"sv, "como"sv,    "cosa"sv,      "could"sv,     "cual"sv,    "cuales"sv,  "cuando"sv,
    "cuanto"sv,  "cuantos"sv, "d"sv,         "describe"sv,  "did"sv,     "do"sv,      "does"sv,
    "donde"sv,   "dove"sv,    "explain"sv,   "for"sv,       "from"sv,    "had"sv,     "has"sv,
    "have"sv,    "he"sv,      "her"sv,       "his"sv,       "how"sv,     "i"sv,       "if"sv,
    "in"sv,      "into"sv,    "is"sv,        "it"sv,        "its"sv,     "ll"sv,      "m"sv,
    "many"sv,    "me"sv,      "much"sv,      "my"sv,        "of"sv,      "on"sv,      "or"sv,
    "ou"sv,      "perche"sv,  "please"sv,    "pourquoi"sv,  "quale"sv,   "quali"sv,   "quand"sv,
    "quando"sv,  "quanti"sv,  "quanto"sv,    "que"sv,       "quel"sv,    "quelle"sv,  "quelles"sv,
    "quels"sv,   "qui"sv,     "quien"sv,     "quienes"sv,   "quoi"sv,    "re"sv,      "s"sv,
    "she"sv,     "so"sv,      "summarise"sv, "summarize"sv, "t"sv,       "tell"sv,    "than"sv,
    "that"sv,    "the"sv,     "their"sv,     "there"sv,     "these"sv,   "they"sv,    "this"sv,
    "those"sv,   "to"sv,      "us"sv,        "ve"sv,        "wann"sv,    "warum"sv,   "was"sv,
    "we"sv,      "welche"sv,  "welchem"sv,   "welchen"sv,   "welcher"sv, "welches"sv, "wem"sv,
    "wen"sv,     "wer"sv,     "were"sv,      "what"sv,      "when"sv,    "where"sv,   "which"sv,
    "who"sv,     "whom"sv,    "whose"sv,     "why"sv,       "wie"sv,     "wieviel"sv, "will"sv,
    "with"sv,    "wo"sv,      "woher"sv,     "wohin"sv,     "would"sv,   "you"sv,     "your"sv};
static_assert(std::is_sorted(kCommonWords.begin(), kCommonWords.end()));

// Of a request that one fact does not answer, folded; kTextFirst: as its first word.
constexpr std::array kTextWords = {"outline"sv,    "overview"sv,  "summaries"sv,  "summarise"sv,
                                   "summarised"sv, "summarize"sv, "summarized"sv, "summary"sv};
constexpr std::array kTextFirst = {"compare"sv, "describe"sv, "explain"sv};

// Hiragana alone spells endings and particles of Japanese, hardly ever what is asked for.
bool IsCommon(std::string_view unstemmed) {
  if (std::binary_search(kCommonWords.begin(), kCommonWords.end(), unstemmed)) return true;
  for (size_t at = 0; at < unstemmed.size();) {
    if (text::ScriptOf(text::NextCharacter(unstemmed, &at)) != text::Script::kHiragana)
      return false;
  }
  return true;
}

bool IsCapital(std::string_view word) {
  size_t at = 0;
  return !word.empty() && text::IsUpperCase(text::NextCharacter(word, &at));
}

// Whether only white space, quotation marks, brackets and dashes stand between a sentence's end, or
// the text's beginning, and a place. Places are asked for in their order.
class SentenceBeginnings {
 public:
  explicit SentenceBeginnings(std::string_view text) : text_(text) {}
  bool At(size_t place) {
    while (at_ < place) {
      const uint32_t c = text::NextCharacter(text_, &at_);
      if (c == '\n') {
        begins_ = true;
      } else if (text::IsSentenceEnd(c)) {
        begins_ = true;
      } else if (!text::IsWhiteSpace(c) && c != '"' && c != '\'' && c != '(' &&
                 (c < 0x80 || !text::IsPunctuation(c))) {
        begins_ = false;
      }
    }
    return begins_;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
  bool begins_ = true;
};

bool EndsFileName(uint32_t c) {
  return text::IsWhiteSpace(c) || c == text::kNoCharacter || c == '"' || c == '\'' || c == '`' ||
         c == '<' || c == '>' || c == '(' || c == ')' || c == '[' || c == ']' || c == ',' ||
         c == ';' || (c >= 0x2018 && c <= 0x201f) || c == 0xab || c == 0xbb;
}

}  // namespace

std::vector<QuestionWord> QuestionWords(std::string_view question) {
  const std::vector<SearchWord> all = SearchWords(question);
  bool shouted = true;  // no small letter: capitals make no name
  for (size_t at = 0; at < question.size();) {
    shouted = !text::IsLowerCase(text::NextCharacter(question, &at)) && shouted;
  }
  SentenceBeginnings beginnings(question);
  std::vector<QuestionWord> words;
  std::vector<bool> names;
  for (size_t i = 0; i < all.size(); ++i) {
    const SearchWord& word = all[i];
    // One ideograph of a longer word finds too much; it counts where it stands alone.
    if (word.form == SearchWord::kSingle) continue;
    if (word.form == SearchWord::kUnstemmed) {
      words.back().forms.push_back(word.word);
      continue;
    }
    std::string written(question.substr(word.begin, word.end - word.begin));
    const bool name = !shouted && IsCapital(written) && !beginnings.At(word.begin);
    if (word.form != SearchWord::kWord) written = word.word;
    words.push_back({std::move(written), {word.word}, false});
    names.push_back(name);
  }
  std::vector<QuestionWord> out;
  std::unordered_set<std::string> seen;
  for (size_t i = 0; i < words.size(); ++i) {
    QuestionWord& word = words[i];
    if (!seen.insert(word.forms.front()).second) continue;
    word.common = !names[i] && IsCommon(word.forms.back());
    out.push_back(std::move(word));
  }
  return out;
}

bool WantsText(std::string_view question) {
  const std::vector<QuestionWord> words = QuestionWords(question);
  const auto is_one_of = [](const QuestionWord& word, const auto& list) {
    return std::find(list.begin(), list.end(), word.forms.back()) != list.end();
  };
  const auto first = std::find_if(words.begin(), words.end(), [](const QuestionWord& word) {
    return word.forms.back() != "please";
  });
  return (first != words.end() && is_one_of(*first, kTextFirst)) ||
         std::any_of(words.begin(), words.end(),
                     [&](const QuestionWord& word) { return is_one_of(word, kTextWords); });
}

std::vector<std::string> FileNamesIn(std::string_view question) {
  std::vector<std::string> names;
  std::string name;
  const auto flush = [&] {
    while (!name.empty() &&
           (name.back() == '.' || name.back() == '?' || name.back() == '!' || name.back() == ':')) {
      name.pop_back();
    }
    const size_t dot = name.rfind('.');
    if (dot != std::string::npos && dot > 0) names.push_back(name);
    name.clear();
  };
  for (size_t at = 0; at < question.size();) {
    const size_t begin = at;
    const uint32_t c = text::NextCharacter(question, &at);
    if (EndsFileName(c)) {
      flush();
    } else {
      name.append(question.substr(begin, at - begin));
    }
  }
  flush();
  return names;
}

}  // namespace kvlink::retrieval

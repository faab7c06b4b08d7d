// A question as an FTS5 query (retrieval/search_query.h).
#include "retrieval/search_query.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <vector>

namespace kvlink {
namespace {

using namespace std::string_view_literals;

constexpr size_t kMostWords = 128;

// Sorted. Also what an apostrophe leaves behind ("what's", "don't").
constexpr std::array kStopWords = {
    "a"sv,    "about"sv, "an"sv,     "and"sv,   "any"sv,   "are"sv,   "as"sv,    "at"sv,
    "be"sv,   "been"sv,  "by"sv,     "can"sv,   "could"sv, "d"sv,     "did"sv,   "do"sv,
    "does"sv, "for"sv,   "from"sv,   "had"sv,   "has"sv,   "have"sv,  "he"sv,    "her"sv,
    "his"sv,  "how"sv,   "i"sv,      "if"sv,    "in"sv,    "into"sv,  "is"sv,    "it"sv,
    "its"sv,  "ll"sv,    "m"sv,      "many"sv,  "me"sv,    "much"sv,  "my"sv,    "of"sv,
    "on"sv,   "or"sv,    "please"sv, "re"sv,    "s"sv,     "she"sv,   "so"sv,    "t"sv,
    "tell"sv, "than"sv,  "that"sv,   "the"sv,   "their"sv, "there"sv, "these"sv, "they"sv,
    "this"sv, "those"sv, "to"sv,     "us"sv,    "ve"sv,    "was"sv,   "we"sv,    "were"sv,
    "what"sv, "when"sv,  "where"sv,  "which"sv, "who"sv,   "whom"sv,  "whose"sv, "why"sv,
    "will"sv, "with"sv,  "would"sv,  "you"sv,   "your"sv};
static_assert(std::is_sorted(kStopWords.begin(), kStopWords.end()));

// Letters and digits of ASCII, and everything beyond it: FTS5's tokenizer sorts that out itself.
bool IsWordByte(char c) {
  const auto b = static_cast<unsigned char>(c);
  return b >= 0x80 || (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
}

std::vector<std::string> LowerWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && IsWordByte(text[i])) {
      const char c = text[i];
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

bool IsStopWord(const std::string& word) {
  return std::binary_search(kStopWords.begin(), kStopWords.end(), word);
}

}  // namespace

std::string SearchQuery(std::string_view question) {
  std::vector<std::string> words = LowerWords(question);
  if (!std::all_of(words.begin(), words.end(), IsStopWord)) std::erase_if(words, IsStopWord);
  std::string query;
  std::unordered_set<std::string_view> seen;
  for (const std::string& word : words) {
    if (seen.size() == kMostWords) break;
    if (!seen.insert(word).second) continue;
    query += query.empty() ? "\"" : " OR \"";
    query += word;
    query += '"';
  }
  return query;
}

}  // namespace kvlink

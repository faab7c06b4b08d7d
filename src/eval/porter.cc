// Porter's stemmer (eval/porter.h). Steps and rules have the paper's names and order; what NLTK
// changed is marked.
#include "eval/porter.h"

#include <span>
#include <vector>

namespace kvlink::eval {
namespace {

// [i]: whether word[i] is a consonant: not a, e, i, o, u, and not y after a consonant.
std::vector<bool> Consonants(std::string_view word) {
  std::vector<bool> consonants(word.size());
  for (size_t i = 0; i < word.size(); ++i) {
    switch (word[i]) {
      case 'a':
      case 'e':
      case 'i':
      case 'o':
      case 'u':
        break;
      case 'y':
        consonants[i] = i == 0 || !consonants[i - 1];
        break;
      default:
        consonants[i] = true;
    }
  }
  return consonants;
}

// m of [C](VC)^m[V]
int Measure(std::string_view stem) {
  const std::vector<bool> consonants = Consonants(stem);
  int m = 0;
  for (size_t i = 1; i < stem.size(); ++i) m += consonants[i] && !consonants[i - 1];
  return m;
}

bool HasVowel(std::string_view stem) {
  for (const bool consonant : Consonants(stem)) {
    if (!consonant) return true;
  }
  return false;
}

// *d
bool EndsInDoubleConsonant(std::string_view stem) {
  const size_t n = stem.size();
  return n >= 2 && stem[n - 1] == stem[n - 2] && Consonants(stem)[n - 1];
}

// *o; NLTK: a vowel and a consonant alone count too.
bool EndsInCvc(std::string_view stem) {
  const size_t n = stem.size();
  const std::vector<bool> c = Consonants(stem);
  if (n == 2) return !c[0] && c[1];
  return n >= 3 && c[n - 3] && !c[n - 2] && c[n - 1] && stem[n - 1] != 'w' && stem[n - 1] != 'x' &&
         stem[n - 1] != 'y';
}

struct Rule {
  std::string_view suffix;
  std::string_view replacement;
};

std::string Replaced(std::string_view word, const Rule& rule) {
  std::string out(word.substr(0, word.size() - rule.suffix.size()));
  return out.append(rule.replacement);
}

// The first rule whose suffix fits decides: it is applied if its stem's measure is above `above`.
std::string Apply(std::string_view word, std::span<const Rule> rules, int above) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    const std::string_view stem = word.substr(0, word.size() - rule.suffix.size());
    return Measure(stem) > above ? Replaced(word, rule) : std::string(word);
  }
  return std::string(word);
}

std::string Step1a(std::string_view word) {
  if (word.ends_with("ies") && word.size() == 4) return Replaced(word, {"ies", "ie"});  // NLTK
  for (const Rule& rule : {Rule{"sses", "ss"}, Rule{"ies", "i"}, Rule{"ss", "ss"}, Rule{"s", ""}}) {
    if (word.ends_with(rule.suffix)) return Replaced(word, rule);
  }
  return std::string(word);
}

// What is left after -ed and -ing.
std::string Tidied(std::string_view stem) {
  for (const Rule& rule : {Rule{"at", "ate"}, Rule{"bl", "ble"}, Rule{"iz", "ize"}}) {
    if (stem.ends_with(rule.suffix)) return Replaced(stem, rule);
  }
  if (EndsInDoubleConsonant(stem)) {
    const bool kept = stem.ends_with('l') || stem.ends_with('s') || stem.ends_with('z');
    return std::string(stem.substr(0, stem.size() - (kept ? 0 : 1)));
  }
  if (Measure(stem) == 1 && EndsInCvc(stem)) return std::string(stem).append("e");
  return std::string(stem);
}

std::string Step1b(std::string_view word) {
  if (word.ends_with("ied")) return Replaced(word, {"ied", word.size() == 4 ? "ie" : "i"});  // NLTK
  if (word.ends_with("eed")) {
    return Measure(word.substr(0, word.size() - 3)) > 0 ? Replaced(word, {"eed", "ee"})
                                                        : std::string(word);
  }
  for (const std::string_view suffix : {"ed", "ing"}) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view stem = word.substr(0, word.size() - suffix.size());
    if (HasVowel(stem)) return Tidied(stem);
  }
  return std::string(word);
}

// NLTK: a consonant and another character must stand before the y, instead of a vowel anywhere.
std::string Step1c(std::string_view word) {
  if (!word.ends_with('y')) return std::string(word);
  const std::string_view stem = word.substr(0, word.size() - 1);
  const bool changes = stem.size() > 1 && Consonants(stem).back();
  return changes ? Replaced(word, {"y", "i"}) : std::string(word);
}

std::string Step2(std::string_view word) {
  static constexpr Rule kRules[] = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
      {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},
      {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
      {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
      {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
      {"fulli", "ful"},  // NLTK
  };
  // NLTK: -alli goes first, and what is left goes through this step again. It becomes shorter, so
  // this ends.
  if (word.ends_with("alli") && Measure(word.substr(0, word.size() - 4)) > 0) {
    return Step2(Replaced(word, {"alli", "al"}));
  }
  // NLTK: -logi becomes -log, where the l counts as the stem's.
  if (word.ends_with("logi")) {
    return Measure(word.substr(0, word.size() - 3)) > 0 ? Replaced(word, {"logi", "log"})
                                                        : std::string(word);
  }
  return Apply(word, kRules, 0);
}

std::string Step3(std::string_view word) {
  static constexpr Rule kRules[] = {{"icate", "ic"}, {"ative", ""},  {"alize", "al"},
                                    {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""},
                                    {"ness", ""}};
  return Apply(word, kRules, 0);
}

std::string Step4(std::string_view word) {
  static constexpr Rule kRules[] = {
      {"al", ""},   {"ance", ""}, {"ence", ""},  {"er", ""},   {"ic", ""},  {"able", ""},
      {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""}, {"ent", ""}, {"ou", ""},
      {"ism", ""},  {"ate", ""},  {"iti", ""},   {"ous", ""},  {"ive", ""}, {"ize", ""}};
  if (word.ends_with("ion")) {  // no other suffix of this step ends so
    const std::string_view stem = word.substr(0, word.size() - 3);
    const bool goes = Measure(stem) > 1 && (stem.ends_with('s') || stem.ends_with('t'));
    return std::string(goes ? stem : word);
  }
  return Apply(word, kRules, 1);
}

std::string Step5(std::string_view word) {
  if (word.ends_with('e')) {
    const std::string_view stem = word.substr(0, word.size() - 1);
    const int m = Measure(stem);
    if (m > 1 || (m == 1 && !EndsInCvc(stem))) word = stem;
  }
  if (word.ends_with("ll") && Measure(word.substr(0, word.size() - 1)) > 1) word.remove_suffix(1);
  return std::string(word);
}

// NLTK: words that the rules would treat badly.
std::string_view Irregular(std::string_view word) {
  static constexpr Rule kForms[] = {
      {"sky", "sky"},         {"skies", "sky"},        {"dying", "die"},
      {"lying", "lie"},       {"tying", "tie"},        {"news", "news"},
      {"innings", "inning"},  {"inning", "inning"},    {"outings", "outing"},
      {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
      {"howe", "howe"},       {"proceed", "proceed"},  {"exceed", "exceed"},
      {"succeed", "succeed"},
  };
  for (const Rule& form : kForms) {
    if (word == form.suffix) return form.replacement;
  }
  return {};
}

}  // namespace

std::string PorterStem(std::string_view word) {
  if (const std::string_view irregular = Irregular(word); !irregular.empty()) {
    return std::string(irregular);
  }
  if (word.size() <= 2) return std::string(word);
  return Step5(Step4(Step3(Step2(Step1c(Step1b(Step1a(word)))))));
}

}  // namespace kvlink::eval

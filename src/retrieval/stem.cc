// Snowball (libstemmer) behind one function (retrieval/stem.h).
#include "retrieval/stem.h"

#include <libstemmer.h>

#include <map>
#include <memory>

namespace kvlink::retrieval {
namespace {

constexpr size_t kLongestWord = 100;  // bytes; longer ones are no words

const char* LanguageOf(text::Script script) {
  switch (script) {
    case text::Script::kLatin:
      return "english";
    case text::Script::kGreek:
      return "greek";
    case text::Script::kCyrillic:
      return "russian";
    case text::Script::kArmenian:
      return "armenian";
    case text::Script::kArabic:
      return "arabic";
    case text::Script::kDevanagari:
      return "hindi";
    case text::Script::kTamil:
      return "tamil";
    default:
      return nullptr;
  }
}

struct Delete {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};

}  // namespace

std::string Stem(std::string_view word, text::Script script) {
  const char* language = LanguageOf(script);
  if (language == nullptr || word.empty() || word.size() > kLongestWord) return std::string(word);
  // A stemmer holds the word it works on, so each thread has its own.
  thread_local std::map<text::Script, std::unique_ptr<sb_stemmer, Delete>> stemmers;
  auto& stemmer = stemmers[script];
  if (stemmer == nullptr) stemmer.reset(sb_stemmer_new(language, "UTF_8"));
  if (stemmer == nullptr) return std::string(word);  // a libstemmer without this language
  const sb_symbol* stem =
      sb_stemmer_stem(stemmer.get(), reinterpret_cast<const sb_symbol*>(word.data()),
                      static_cast<int>(word.size()));
  if (stem == nullptr) return std::string(word);
  const std::string out(reinterpret_cast<const char*>(stem),
                        static_cast<size_t>(sb_stemmer_length(stemmer.get())));
  return out.empty() ? std::string(word) : out;
}

}  // namespace kvlink::retrieval

// The stem of a word, by Snowball: "islands" and "island" are one word to a search. The language is
// taken from the script, as a word alone tells no more: Latin letters count as English.
#pragma once

#include <string>
#include <string_view>

#include "text/unicode.h"

namespace kvlink::retrieval {

// `word` in small letters (FoldCase). The word itself where no stemmer knows its script.
std::string Stem(std::string_view word, text::Script script);

}  // namespace kvlink::retrieval

// The Porter stemmer (M. F. Porter, "An algorithm for suffix stripping", Program 14.3, 1980) with
// the changes that NLTK documents for its default mode, which ROUGE's Python package uses.
#pragma once

#include <string>
#include <string_view>

namespace kvlink::eval {

// "relational" -> "relat". REQUIRES: `word` is of a-z and 0-9 (a digit is a consonant)
std::string PorterStem(std::string_view word);

}  // namespace kvlink::eval

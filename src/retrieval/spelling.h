// How far one word is from another. Pure.
#pragma once

#include <string_view>

namespace kvlink::retrieval {

// How many letters were typed wrong, left out, added or swapped with their neighbour (Damerau's
// distance, each place changed once at most), counted in characters; most + 1 if more than `most`.
int SpellingDistance(std::string_view a, std::string_view b, int most);

// How many wrong letters a word of so many characters may have and still be taken for another one.
int SpellingTolerance(size_t characters);

}  // namespace kvlink::retrieval

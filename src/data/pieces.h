// Cutting long texts (an article, a dialogue, a book) into pieces of about so many words, each of
// which becomes a document or an example. Pure. Words are what white space separates, and
// in scripts without spaces what dictionaries call words; the retrieval room cuts by tokens, this
// does not.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace kvlink::data {

int64_t CountWords(std::string_view text);

// Pieces of at most max_words words each, of about equal size, trimmed, none empty, in order;
// together they hold every character of `text` that is not white space. A piece ends where a line
// does (a paragraph, a turn of a dialogue) if there is one in its second half, else where a
// sentence does, else at a word. REQUIRES: max_words >= 1
std::vector<std::string_view> CutText(std::string_view text, int64_t max_words);

}  // namespace kvlink::data

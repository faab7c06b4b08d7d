// A question in any words as an FTS5 query: its words quoted and OR-ed, so that no character of it
// is syntax. Pure.
#pragma once

#include <string>
#include <string_view>

namespace kvlink {

// Empty if there are no words. Words that every question has ("what", "is", "the") are left out
// unless there are no others; of a long text the first 128 different words count.
std::string SearchQuery(std::string_view question);

}  // namespace kvlink

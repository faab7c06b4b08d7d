// HTML as text (by gumbo, which reads what browsers read): headings, paragraphs, lists, tables,
// code. Scripts, styles, navigation, forms, the page's own header and footer, and what is hidden
// are left out. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kvlink/status.h"
#include "retrieval/repaired_text.h"
#include "retrieval/text_builder.h"

namespace kvlink::retrieval {

// Adds a page's text. `place_of` gives the place of bytes begin..end of `html`. Returns the page's
// <title>, or an empty one. Neither bounded in time nor in memory where the page is made to break
// its reader (base/apart.h).
std::string AddHtml(std::string_view html, const std::function<Place(size_t, size_t)>& place_of,
                    TextBuilder* builder);

// Places are bytes of the file. kInvalidArgument: it has more text than kMostTextBytes.
Result<FileText> ReadHtml(RepairedText text);

}  // namespace kvlink::retrieval

// Markdown (CommonMark with GitHub's tables, by cmark-gfm) as the structure of its source:
// headings, tables' headers, code. Pure. The text stays as it is written; nothing is rendered.
#pragma once

#include <string_view>

#include "kvlink/status.h"
#include "retrieval/repaired_text.h"
#include "retrieval/text_structure.h"

namespace kvlink::retrieval {

// Headings are those outside lists and quotations, of at most kLongestHeading bytes and of one
// line: longer paragraphs above a line of dashes are rules in practice. Front matter ("---" or
// "+++" at the top, to the same) gives the title and is no part of the body. REQUIRES: text is
// UTF-8 and shorter than 1 GiB. It is not bounded in time or memory where the text is made to break
// it (base/apart.h).
TextStructure MarkdownStructure(std::string_view text);

Result<FileText> ReadMarkdown(RepairedText text);

}  // namespace kvlink::retrieval

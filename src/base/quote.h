// Text of unknown origin inside one line for people: printable, and in error messages quoted,
// short.
#pragma once

#include <string>
#include <string_view>

namespace kvlink {

std::string Quoted(std::string_view text);

// Whether a terminal shows the text as one line: UTF-8 without control characters, which steer it
// (those above ASCII, U+0080 to U+009F, do as well).
bool IsPrintableLine(std::string_view text);
// The text with a question mark for each character or byte that is not so.
std::string PrintableLine(std::string_view text);

}  // namespace kvlink

// Text of unknown origin made harmless for whoever looks at it, and how wide it is on a terminal.
// Pure. Not here: writing it (terminal.h, json_output.h), which everything for people goes through.
#pragma once

#include <string>
#include <string_view>

namespace kvlink::cli {

// Valid UTF-8 in which nothing steers a terminal: control characters (of escape sequences, and
// U+0080 to U+009F) become spaces, what turns the direction of the text behind it U+FFFD. A line
// (names, titles, messages) has neither line ends nor tabs, and nothing invisible, so that two
// names that differ look so.
std::string CleanLine(std::string_view bytes);
// A text of many lines keeps its line ends and tabs, and what scripts need to join and part
// letters.
std::string CleanText(std::string_view bytes);
// Whether a character steers a terminal; line ends and tabs do not.
bool Steers(char32_t c);
// `json` with such characters as \uXXXX: the same JSON.
std::string CleanJson(std::string_view json);

// Columns that a text takes on a terminal: combining marks take none, wide characters two.
int DisplayWidth(std::string_view utf8);
// At most `columns` wide; what is cut is shown by an ellipsis.
std::string Shorten(std::string_view utf8, int columns);

}  // namespace kvlink::cli

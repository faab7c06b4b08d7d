// Patterns of names and paths, as a shell has them, over characters: fnmatch counts bytes in the C
// locale, and in others too where characters do not match. Pure.
#pragma once

#include <string>
#include <string_view>

namespace kvlink::library {

bool IsPattern(std::string_view word);
// Where its first * ? or [ stands; npos: nowhere.
size_t PatternBegin(std::string_view word);

// Whether all of the text matches: * is any run, of slashes too, ? a character, [ab-d] and [!ab-d]
// one of a set and one of no set, and what follows a \ is itself. What is not UTF-8 counts byte by
// byte, and a [ that is never closed is itself.
bool MatchesPattern(std::string_view pattern, std::string_view text);

// A pattern of the text alone.
std::string EscapedPattern(std::string_view text);

}  // namespace kvlink::library

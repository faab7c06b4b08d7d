// GPT-2's byte alphabet: vocabularies spell each byte as one printable character. Bytes that are
// printable in Latin-1 stand for themselves; the others, in order, are U+0100, U+0101, ...
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvlink::text {

// The bytes that a token's spelling stands for; nothing if a character is not in the alphabet.
std::optional<std::string> BytesFromAlphabet(std::string_view spelling);
// The other way; any bytes.
std::string AlphabetFromBytes(std::string_view bytes);

}  // namespace kvlink::text

// Characters as the reference scripts of question answering (Python) see them: lower case, word
// characters, white space. Not here: tokens of a model (text/pre_tokenizer.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvlink::eval {

// str.lower. One approximation: a capital sigma ends a word where no word character follows it,
// where Unicode also looks past apostrophes and marks. Ill-formed bytes stay as they are.
std::string LowerCase(std::string_view text);

bool IsWordCharacter(uint32_t code_point);   // str.isalnum, or the underscore: \w of re
bool IsSpaceCharacter(uint32_t code_point);  // what str.split splits at

// The character at `at` and its size in bytes; an ill-formed byte is kNoCharacter (text/unicode.h),
// of size 1.
uint32_t DecodeCharacter(std::string_view text, size_t at, size_t* size);

}  // namespace kvlink::eval

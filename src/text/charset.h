// In which encoding a text's bytes are written, where that is not UTF-8, and what they say: by
// ICU's detector and converters, and by what makes sense as UTF-16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace kvlink::text {

// The encoding's name ("windows-1252", "UTF-16LE"), or empty: UTF-8, maybe with damaged bytes, or
// nothing that can be told. UTF-16 and UTF-32 are known by their byte order marks, UTF-16 also by
// making sense; other encodings where the bytes are not UTF-8.
std::string DetectCharset(std::string_view bytes);

// Calls `take` with each character and the bytes that it came from, in order; byte order marks are
// left out, what stands for nothing is U+FFFD. False: ICU has no such encoding.
using TakeCharacter = std::function<void(uint32_t c, size_t begin, size_t end)>;
bool DecodeCharset(std::string_view bytes, const std::string& charset, const TakeCharacter& take);

}  // namespace kvlink::text

// Recognises files that were given in place of a model's, so that the message can say what was
// given. Pure; looks at the first bytes only.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace kvlink::formats {

// "a safetensors file", "an HTML page (a failed download?)", ...; for the unknown, its first bytes.
std::string WhatItLooksLike(std::span<const std::byte> file);

}  // namespace kvlink::formats

// How the readers of model files word what they found: names from a file made fit for one line, and
// what a file that is not the expected one looks like. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kvlink {

// 'text' in quotes; control characters and non-ASCII as \xNN, cut after 80 bytes.
std::string Quoted(std::string_view text);

// "a safetensors file", "an HTML page (a failed download?)", ...; for the unknown, its first bytes.
std::string WhatItLooksLike(std::span<const std::byte> file);

}  // namespace kvlink

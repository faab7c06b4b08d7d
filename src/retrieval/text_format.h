// What a file holds, by its name. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace kvlink {

enum class TextFormat : uint8_t { kUnknown, kText, kMarkdown, kJsonl };

// In small letters, with its point; empty: none.
std::string EndingOf(const std::string& path);
TextFormat FormatOf(const std::string& path);

inline constexpr char kPdfAdvice[] = "its text: pdftotext FILE.pdf - | kvlink index - --name NAME";

}  // namespace kvlink

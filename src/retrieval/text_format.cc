#include "retrieval/text_format.h"

#include <filesystem>

namespace kvlink {

std::string EndingOf(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return ending;
}

TextFormat FormatOf(const std::string& path) {
  const std::string ending = EndingOf(path);
  if (ending == ".txt" || ending == ".text") return TextFormat::kText;
  if (ending == ".md" || ending == ".markdown") return TextFormat::kMarkdown;
  if (ending == ".jsonl") return TextFormat::kJsonl;
  return TextFormat::kUnknown;
}

}  // namespace kvlink

#include "formats/file_kind.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/quote.h"

namespace kvlink::formats {
namespace {

bool StartsWithAnyCase(std::string_view text, std::string_view lower) {
  if (text.size() < lower.size()) return false;
  return std::equal(lower.begin(), lower.end(), text.begin(), [](char l, char t) {
    return l == (t >= 'A' && t <= 'Z' ? static_cast<char>(t + 32) : t);
  });
}

}  // namespace

std::string WhatItLooksLike(std::span<const std::byte> file) {
  const std::string_view text = AsText(file.first(std::min<size_t>(file.size(), 512)));
  if (text.empty()) return "an empty file";
  if (text.starts_with("PK\x03\x04")) return "a ZIP archive (a PyTorch checkpoint?)";
  if (text.starts_with("\x80\x02") || text.starts_with("\x80\x04")) return "a Python pickle";
  if (text.starts_with("\x1f\x8b")) return "a gzip archive (unpack it first)";
  if (text.starts_with("lmgg") || text.starts_with("fmgg") || text.starts_with("tjgg")) {
    return "an old GGML file from before GGUF";
  }
  if (text.starts_with("GGUF")) return "a GGUF file";
  if (text.starts_with("FUGG")) return "a byte-swapped GGUF file";
  if (text.starts_with("version https://git-lfs")) {
    return "a Git LFS pointer (fetch the file itself: git lfs pull)";
  }
  uint64_t header_bytes = 0;
  ByteReader reader(file);
  if (reader.Read(&header_bytes) && text.size() > 8 && text[8] == '{' &&
      header_bytes <= file.size() - 8) {
    return "a safetensors file";
  }
  const size_t start = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const std::string_view body = text.substr(start);
  if (StartsWithAnyCase(body, "<!doctype") || StartsWithAnyCase(body, "<html") ||
      StartsWithAnyCase(body, "<?xml")) {
    return "an HTML page (a failed download?)";
  }
  if (body.starts_with('{') || body.starts_with('[')) return "a JSON text";
  return "a file that begins with " + Quoted(text.substr(0, 8));
}

}  // namespace kvlink::formats

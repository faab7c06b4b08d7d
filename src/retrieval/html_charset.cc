#include "retrieval/html_charset.h"

#include <algorithm>

namespace kvlink::retrieval {

std::string HtmlCharset(std::string_view bytes) {
  constexpr size_t kNearTheTop = 4096;
  constexpr std::string_view kKey = "charset=";
  std::string head(bytes.substr(0, kNearTheTop));
  for (char& c : head) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (size_t meta = head.find("<meta"); meta != head.npos; meta = head.find("<meta", meta + 1)) {
    const size_t end = std::min(head.find('>', meta), head.size());
    size_t at = head.find(kKey, meta);
    if (at >= end) continue;
    at = head.find_first_not_of("\"' ", at + kKey.size());
    if (at >= end) continue;
    return head.substr(at, std::min(head.find_first_of("\"' ;/>", at), end) - at);
  }
  return {};
}

}  // namespace kvlink::retrieval

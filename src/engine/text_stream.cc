#include "engine/text_stream.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/tokenizer.h"

namespace kvlink::engine {

std::string TextStream::Show(size_t bytes) {
  std::string out = ToValidUtf8(std::string_view(pending_).substr(0, bytes), nullptr);
  pending_.erase(0, bytes);
  shown_ += out;
  return out;
}

std::string TextStream::Add(std::string_view bytes) {
  if (stopped_) return "";
  pending_ += bytes;
  size_t safe = pending_.size();
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
    if (const size_t at = pending_.find(stop); at != std::string::npos) {
      pending_.resize(at);
      stopped_ = true;
      return Show(pending_.size());
    }
    // The longest end of the text that begins a stop text waits.
    for (size_t n = std::min(stop.size() - 1, pending_.size()); n > 0; --n) {
      if (std::string_view(pending_).ends_with(std::string_view(stop).substr(0, n))) {
        safe = std::min(safe, pending_.size() - n);
        break;
      }
    }
  }
  return Show(CompleteUtf8Prefix(std::string_view(pending_).substr(0, safe)));
}

std::string TextStream::Flush() { return Show(pending_.size()); }

}  // namespace kvlink::engine

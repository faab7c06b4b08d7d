// An answer's text as its tokens arrive: holds back what may still become a stop text or is half a
// UTF-8 character. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvlink::engine {

class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Takes a token's bytes; returns what may be shown now (valid UTF-8).
  std::string Add(std::string_view bytes);
  // The rest, at the end of the answer.
  std::string Flush();
  bool stopped() const { return stopped_; }           // a stop text appeared; it is not shown
  const std::string& text() const { return shown_; }  // all that was shown

 private:
  std::string Show(size_t bytes);
  std::vector<std::string> stops_;
  std::string pending_;  // not yet shown
  std::string shown_;
  bool stopped_ = false;
};

}  // namespace kvlink::engine

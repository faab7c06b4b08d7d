#include "engine/text_replay.h"

#include <algorithm>

namespace kvlink {

bool TextReplay::Write(std::string_view text) {
  const size_t again = std::min(text.size(), shown_.size() - at_);
  if (text.substr(0, again) != std::string_view(shown_).substr(at_, again)) {
    status_ = DataLoss(
        "a block's file changed while the answer was being written, and the answer cannot be taken "
        "up again; what was written is not to be relied on: ask again");
    return false;
  }
  at_ += again;
  text.remove_prefix(again);
  if (text.empty()) return true;
  shown_ += text;
  at_ = shown_.size();
  return to_(text);
}

}  // namespace kvlink

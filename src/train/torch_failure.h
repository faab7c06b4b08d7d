// What Torch says when it fails, for a message of one line.
#pragma once

#include <exception>
#include <string>

namespace kvlink {

// Behind the first line stands where in Torch.
inline std::string FirstLineOf(const std::exception& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

}  // namespace kvlink

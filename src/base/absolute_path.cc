#include "base/absolute_path.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

namespace kvlink {

std::string AbsolutePath(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;  // no working directory: the path stays relative
  fs::path absolute = fs::absolute(path, error);
  if (error) absolute = path;

  // "link/.." is the parent of what the link leads to, so everything up to the last ".." is asked
  // of the system.
  const std::vector<fs::path> parts(absolute.begin(), absolute.end());
  const auto last = std::find(parts.rbegin(), parts.rend(), fs::path("..")).base();
  fs::path front;
  std::for_each(parts.begin(), last, [&](const fs::path& part) { front /= part; });
  fs::path rest;
  std::for_each(last, parts.end(), [&](const fs::path& part) { rest /= part; });
  if (!front.empty() && last != parts.begin()) {
    front = fs::canonical(front, error);
    if (error) return absolute.string();
  }
  std::string normal = (front.empty() ? rest : front / rest).lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

}  // namespace kvlink

#include "cli/json_output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace kvlink::cli {

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

void PrintJson(const Json& json) { PrintText(DumpJson(json) + "\n"); }

void PrintText(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

Status FlushOutput() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  return Unavailable(std::string("cannot write to standard output: ") +
                     (errno != 0 ? std::strerror(errno) : "an earlier write failed"));
}

}  // namespace kvlink::cli

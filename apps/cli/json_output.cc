#include "cli/json_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/printable.h"

namespace kvlink::cli {
namespace {

void Write(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace

std::string DumpJson(const Json& json) {
  return CleanJson(json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace));
}

void PrintJson(const Json& json) { Write(DumpJson(json) + "\n"); }

void PrintText(std::string_view text) { Write(CleanText(text)); }

void PrintData(std::string_view text) {
  static const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  terminal ? Write(CleanText(text)) : Write(text);
}

Status FlushOutput() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  return Unavailable(std::string("cannot write to standard output: ") +
                     (errno != 0 ? std::strerror(errno) : "an earlier write failed"));
}

void HoldStandardStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // The lowest free number is this one's. What is written to a file that is only read fails.
    (void)::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace kvlink::cli

#include "cli/standard_input.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/interrupt.h"
#include "cli/terminal.h"

namespace kvlink::cli {

Result<std::string> ReadStandardInput(int64_t max_bytes, std::string_view advice) {
  std::string bytes;
  std::string chunk(1 << 16, '\0');
  for (;;) {
    if (!WaitForInput(STDIN_FILENO)) return Cancelled("stopped while standard input was read");
    const ssize_t got = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (got == 0) return bytes;
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return Unavailable(std::string("standard input: ") + std::strerror(errno));
    }
    bytes.append(chunk, 0, static_cast<size_t>(got));
    if (static_cast<int64_t>(bytes.size()) > max_bytes) {
      return InvalidArgument("standard input: more than " + FormatBytes(max_bytes) + "; " +
                             std::string(advice));
    }
  }
}

}  // namespace kvlink::cli

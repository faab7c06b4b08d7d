// kvlink: the command line. Parses, runs one command (apps/cli), gives the exit status: 0 done,
// 1 failed, 2 wrong usage, 130 stopped by Ctrl-C. A failure is one line on standard error.
#include <algorithm>
#include <string_view>

#include "base/guarded.h"
#include "cli/arguments.h"
#include "cli/json_output.h"
#include "cli/openmp_spin.h"
#include "cli/session.h"

namespace kvlink::cli {
namespace {

// Whether a command that computes with a model may be meant; the others need no second start.
bool MayCompute(int argc, char** argv) {
  return std::any_of(argv, argv + argc, [](std::string_view word) {
    return word == "ask" || word == "index" || word == "check" || word == "bench" || word == "eval";
  });
}

int Run(int argc, char** argv) {
  HoldStandardStreams();
  if (MayCompute(argc, argv)) RestartWithShortSpins(argv);
  const Arguments arguments = ParseArguments(argc, argv);
  if (!arguments.command) return arguments.exit_status;

  Session session(arguments.options);
  if (!arguments.warning.empty()) session.Warn(arguments.warning);
  const Result<int> result = arguments.command(session);
  const Status written = FlushOutput();
  const Status& failure = result.ok() ? written : result.status();
  if (failure.ok()) return *result;
  session.console().Line("kvlink: " + failure.message());
  return failure.code() == StatusCode::kCancelled ? 130 : 1;
}

}  // namespace
}  // namespace kvlink::cli

int main(int argc, char** argv) {
  return kvlink::GuardedMain("kvlink", [&] { return kvlink::cli::Run(argc, argv); });
}

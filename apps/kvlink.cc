// kvlink: the command line. Parses, runs one command (apps/cli), gives the exit status: 0 done,
// 1 failed, 2 wrong usage, 130 stopped by Ctrl-C. A failure is one line on standard error.
#include "cli/arguments.h"
#include "cli/json_output.h"
#include "cli/session.h"
#include "cli/spinning.h"

int main(int argc, char** argv) {
  using namespace kvlink;       // NOLINT: the program's own words
  using namespace kvlink::cli;  // NOLINT

  HoldStandardStreams();
  RestartWithShortSpins(argv);
  const Arguments arguments = ParseArguments(argc, argv);
  if (!arguments.command) return arguments.exit_status;

  Session session(arguments.options);
  const Result<int> result = arguments.command(session);
  const Status written = FlushOutput();
  const Status& failure = result.ok() ? written : result.status();
  if (failure.ok()) return *result;
  session.console().Line("kvlink: " + failure.message());
  return failure.code() == StatusCode::kCancelled ? 130 : 1;
}

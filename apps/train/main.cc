// kvlink-train: trains link tokens and an adapter. Parses, trains, gives the exit status: 0 done,
// 1 failed, 2 wrong usage, 130 stopped by Ctrl-C. A failure is one line on standard error.
#include "base/guarded.h"
#include "cli/interrupt.h"
#include "train/arguments.h"
#include "train/environment.h"
#include "train/reporting.h"
#include "train/trainer.h"

namespace kvlink::train_app {
namespace {

int Run(int argc, char** argv) {
  RestartForTorch(argv);
  const Arguments arguments = ParseArguments(argc, argv);
  if (!arguments.run) return arguments.exit_status;
  Reporting reporting;
  if (!arguments.average.links.empty()) {
    const Result<train::AverageSummary> mean = train::AverageLinks(arguments.average);
    if (!mean.ok()) {
      reporting.Line("kvlink-train: " + mean.status().message());
      return 1;
    }
    reporting.Averaged(*mean);
    return 0;
  }
  cli::CatchInterrupt();
  const Result<train::TrainSummary> done =
      train::Train(arguments.options, reporting.MakeProgress());
  if (!done.ok()) {
    reporting.Line("kvlink-train: " + done.status().message());
    return done.code() == StatusCode::kCancelled ? 130 : 1;
  }
  reporting.Finished(*done);
  return 0;
}

}  // namespace
}  // namespace kvlink::train_app

int main(int argc, char** argv) {
  return kvlink::GuardedMain("kvlink-train", [&] { return kvlink::train_app::Run(argc, argv); });
}

// kvlink-train: trains link tokens and an adapter. Parses, trains, gives the exit status: 0 done,
// 1 failed, 2 wrong usage. A failure is one line on standard error.
#include <cstdio>

#include "train/arguments.h"
#include "train/environment.h"
#include "train/trainer.h"

int main(int argc, char** argv) {
  using namespace kvlink;
  using namespace kvlink::train_app;

  RestartForTorch(argv);
  const Arguments arguments = ParseArguments(argc, argv);
  if (!arguments.run) return arguments.exit_status;
  TrainProgress progress;
  progress.step = [](const StepReport& r) {
    std::fprintf(stderr, "step %lld/%lld loss %.4f %.2f s\n", static_cast<long long>(r.step),
                 static_cast<long long>(r.steps), r.loss, r.seconds);
  };
  progress.log = Log([](Severity, std::string_view text) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
  });
  const Result<TrainSummary> done = Train(arguments.options, progress);
  if (!done.ok()) {
    std::fprintf(stderr, "kvlink-train: %s\n", done.status().message().c_str());
    return 1;
  }
  std::fprintf(stderr, "loss %.4f, validation %.4f, %.1f minutes, %.2f examples/s\n", done->loss,
               done->valid_loss, done->seconds / 60, done->examples / done->seconds);
  return 0;
}

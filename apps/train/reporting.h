// What a training run tells its user on standard error: a progress bar on a terminal, a line a
// validation, warnings. Not here: the log file (train/run_folder.h).
#pragma once

#include "cli/terminal.h"
#include "train/average.h"
#include "train/trainer.h"

namespace kvlink::train_app {

// One thread, one run.
class Reporting {
 public:
  Reporting();
  train::TrainProgress MakeProgress();  // looks at this object
  void Line(std::string_view text);
  void Averaged(const train::AverageSummary& mean);
  void Finished(const train::TrainSummary& summary);

 private:
  void Started(const train::TrainStart& start);
  void Stepped(const train::LoggedStep& step);
  void Validated(const train::LoggedValidation& validation);

  cli::Console console_;
  cli::ProgressBar bar_;
  train::TrainStart start_;
  double started_ms_ = 0;
  double loss_ = -1;  // a running mean of the steps' losses; < 0: none yet
};

}  // namespace kvlink::train_app

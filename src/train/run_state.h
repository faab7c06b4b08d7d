// Where a run stands: its counters, its folder, the best validation's parameters; and how a
// checkpoint puts all that back, optimiser included. Private to the room (Torch). Not here: what a
// step computes (trainer.cc), the files' formats (checkpoint.h, run_folder.h).
#pragma once

#include <torch/types.h>

#include <memory>
#include <string>

#include "base/file.h"
#include "base/log.h"
#include "kvlink/status.h"
#include "train/adamw.h"
#include "train/run_folder.h"
#include "train/trainer.h"

namespace kvlink::train {

// One owner, one thread. Looks at values and optimiser, which outlive it.
class RunState {
 public:
  // A new run, or with options.resume the one in the folder: values and optimiser are then as they
  // were. description: run_description.h's. Errors: as RunFolder's, LoadCheckpoint's and
  // CheckSameRun's; nothing has changed then.
  static Result<std::unique_ptr<RunState>> Open(const TrainOptions& options, FileSystem& files,
                                                const Log& log, std::string description,
                                                at::Tensor* values, AdamW* adam);

  CheckpointCounters& done() { return done_; }
  RunFolder& folder() { return *folder_; }

  // Writes a validation down; tells whether it is the best so far, whose values are kept then.
  void NoteValidation(LoggedValidation* validation);
  bool OutOfPatience() const { return patience_ > 0 && done_.validations_ago >= patience_; }

  void SaveCheckpoint();
  // Sets values to the best validation's; to the last step's where there was none.
  void TakeBest();
  // The run in numbers, but for the time.
  TrainSummary Summary() const;
  // What is left of the run after a failure, for its message.
  std::string LastGood() const;

 private:
  RunState(int64_t patience, std::string description, at::Tensor* values, AdamW* adam);
  void Restore(Checkpoint& checkpoint);

  int64_t patience_;
  std::string description_;
  at::Tensor* values_;
  AdamW* adam_;
  std::unique_ptr<RunFolder> folder_;
  CheckpointCounters done_;
  at::Tensor best_;  // undefined: no validation yet
};

}  // namespace kvlink::train

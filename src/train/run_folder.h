// A run's folder: log.jsonl (a line a step and a line a validation), curve.svg, checkpoint. What
// cannot be written there (a full disk) is warned of once and does not stop the run; what was there
// stays whole. docs/training.md describes the files.
#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "kvlink/status.h"
#include "train/checkpoint.h"

namespace kvlink::train {

struct LoggedStep {
  int64_t step = 0;  // from 1
  double loss = 0;   // nats a token
  double rate = 0;   // factor of the learning rates
  int64_t tokens = 0;
  double seconds = 0;
  int64_t examples = 0;
};

struct LoggedValidation {
  int64_t step = 0;
  double loss = 0;
  int64_t tokens = 0;
  double seconds = 0;
  bool best = false;  // so far
};

// The folder of a link file's run: OUT without its ending, and ".run".
std::string DefaultRunFolder(const std::string& out);

// The checkpoint of a run. kNotFound: none there; others as LoadCheckpoint says.
Result<Checkpoint> LoadRunCheckpoint(FileSystem& files, const std::string& path);

// One owner, one thread.
class RunFolder {
 public:
  // A new run. kFailedPrecondition: a run's checkpoint is there already, or another process is
  // writing there. The folder stays locked against other processes as long as this object lives.
  static Result<RunFolder> Create(FileSystem& files, const std::string& path, Log log);
  // The run that is there; cuts its log back to its checkpoint's step. kFailedPrecondition: another
  // process is writing there.
  static Result<RunFolder> Resume(FileSystem& files, const std::string& path, Log log,
                                  const CheckpointCounters& checkpoint);

  void Add(const LoggedStep& step);
  void Add(const LoggedValidation& validation);
  void Save(const CheckpointView& view);
  void Draw(const std::string& title);  // curve.svg, of all that the log holds

  const std::string& path() const { return path_; }
  const std::vector<LoggedStep>& steps() const { return steps_; }
  // Step of the checkpoint that is on disk; -1: none.
  int64_t saved_step() const { return saved_step_; }

 private:
  RunFolder(FileSystem& files, std::string path, Log log);
  Status LockFolder();
  void RemoveLeftovers();
  void OpenLog();
  void Append(const std::string& line);
  void Warn(const std::string& message);

  FileSystem* files_;
  std::string path_;
  Log log_;
  std::unique_ptr<FileLock> lock_;
  std::ofstream out_;
  std::vector<LoggedStep> steps_;
  std::vector<LoggedValidation> validations_;
  int64_t saved_step_ = -1;
  bool warned_ = false;
};

}  // namespace kvlink::train

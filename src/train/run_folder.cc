// nlohmann::json's exceptions are off here.
#include "train/run_folder.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/bounded_json.h"
#include "chart/plot.h"

namespace kvlink::train {
namespace {

using nlohmann::ordered_json;

constexpr std::array kWritten = {"checkpoint", "log.jsonl", "curve.svg"};
constexpr int64_t kMostLogBytes = int64_t{1} << 30;

double Number(const ordered_json& line, const char* field) {
  const auto at = line.find(field);
  return at != line.end() && at->is_number() ? at->get<double>() : 0;
}

// A value that is not in int64_t's range must not be converted; the log's own are small.
int64_t Whole(const ordered_json& line, const char* field) {
  const auto at = line.find(field);
  return at != line.end() && at->is_number_integer() ? at->get<int64_t>() : -1;
}

std::string Dump(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string DefaultRunFolder(const std::string& out) {
  const size_t slash = out.find_last_of('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  const size_t dot = out.find_last_of('.');
  return out.substr(0, dot == std::string::npos || dot <= name ? out.size() : dot) + ".run";
}

RunFolder::RunFolder(FileSystem& files, std::string path, Log log)
    : files_(&files), path_(std::move(path)), log_(std::move(log)) {
  while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
}

Result<RunFolder> RunFolder::Create(FileSystem& files, const std::string& path, Log log) {
  RunFolder run(files, path, std::move(log));
  KVLINK_RETURN_IF_ERROR(files.CreateDirectories(run.path_, FileAccess::kByUmask));
  KVLINK_RETURN_IF_ERROR(run.LockFolder());
  KVLINK_ASSIGN_OR_RETURN(const bool has_run, Exists(files, run.path_ + "/checkpoint"));
  if (has_run) {
    return FailedPrecondition(run.path_ + " holds a run already: --resume " + run.path_ +
                              " goes on with it, --run chooses another folder");
  }
  KVLINK_RETURN_IF_ERROR(WriteWholeFile(files, run.path_ + "/log.jsonl", ""));
  run.OpenLog();
  return run;
}

Result<Checkpoint> LoadRunCheckpoint(FileSystem& files, const std::string& path) {
  Result<Checkpoint> loaded = LoadCheckpoint(files, path + "/checkpoint");
  if (loaded.code() != StatusCode::kNotFound) return loaded;
  return NotFound(path + "/checkpoint: no checkpoint there to resume from; the folder of a run " +
                  "expected (--run, by default OUT without its ending, and .run)");
}

Result<RunFolder> RunFolder::Resume(FileSystem& files, const std::string& path, Log log,
                                    const CheckpointCounters& checkpoint) {
  RunFolder run(files, path, std::move(log));
  KVLINK_RETURN_IF_ERROR(run.LockFolder());
  const int64_t last = checkpoint.step;
  // A log that is lost or damaged costs the curve, not the run; one that cannot be read now is
  // kept.
  std::string kept;
  const Result<std::string> text = ReadWholeFile(files, run.path_ + "/log.jsonl", kMostLogBytes);
  if (!text.ok() && text.code() != StatusCode::kNotFound) {
    return Status(text.code(), text.status().message() +
                                   "; it holds the run's curve and is not written over: make it " +
                                   "readable, or move it away to go on without it");
  }
  if (!text.ok()) run.log_(Severity::kWarning, text.status().message());
  for (size_t at = 0; text.ok() && at < text->size();) {
    const size_t end = text->find('\n', at);
    if (end == std::string::npos) break;  // torn
    const std::string line = text->substr(at, end + 1 - at);
    at = end + 1;
    const ordered_json json = ParseBoundedJson<ordered_json>(line);
    const int64_t step = json.is_object() ? Whole(json, "step") : -1;
    if (step < 1 || step > last) continue;
    kept += line;
    if (json.contains("valid_loss")) {
      run.validations_.push_back({step, Number(json, "valid_loss"), Whole(json, "tokens"),
                                  Number(json, "seconds"),
                                  json.contains("best") && json["best"] == true});
    } else {
      run.steps_.push_back({step, Number(json, "loss"), Number(json, "rate"), Whole(json, "tokens"),
                            Number(json, "seconds"), Whole(json, "examples")});
    }
  }
  KVLINK_RETURN_IF_ERROR(WriteWholeFile(files, run.path_ + "/log.jsonl", kept));
  run.saved_step_ = last;
  run.OpenLog();
  return run;
}

// Two runs in one folder would write over each other's checkpoint and mix their logs.
Status RunFolder::LockFolder() {
  Result<std::unique_ptr<FileLock>> lock = files_->Lock(path_ + "/lock", /*timeout_ms=*/0);
  if (lock.code() == StatusCode::kUnavailable) {
    return FailedPrecondition(path_ +
                              ": another kvlink-train is writing this run; wait for it to " +
                              "end, or choose another folder with --run");
  }
  if (!lock.ok()) return lock.status();
  lock_ = *std::move(lock);
  RemoveLeftovers();
  return {};
}

// A run that was killed while it wrote leaves its temporary file. REQUIRES: the lock is held, so no
// such file is anybody's.
void RunFolder::RemoveLeftovers() {
  const Result<std::unique_ptr<Folder>> folder = files_->OpenFolder(path_);
  if (!folder.ok()) return;
  const Result<std::vector<FileInfo>> entries = (*folder)->List();
  if (!entries.ok()) return;
  for (const FileInfo& entry : *entries) {
    const bool ours = std::any_of(kWritten.begin(), kWritten.end(), [&](const char* name) {
      return IsTemporaryNameOf(name, entry.name);
    });
    if (ours && entry.type == FileType::kFile) (void)(*folder)->Remove(entry.name);
  }
}

void RunFolder::OpenLog() {
  out_.open(path_ + "/log.jsonl", std::ios::binary | std::ios::app);
  if (!out_) Warn(path_ + "/log.jsonl cannot be written");
}

void RunFolder::Warn(const std::string& message) {
  if (std::exchange(warned_, true)) return;
  log_(Severity::kWarning, message + "; the run goes on" +
                               (saved_step_ < 0 ? " without a checkpoint"
                                                : ", the checkpoint of step " +
                                                      std::to_string(saved_step_) + " stays"));
}

void RunFolder::Append(const std::string& line) {
  // A line that was torn must not swallow the next one.
  if (!out_) {
    out_.clear();
    out_ << '\n';
  }
  out_ << line << std::flush;
  if (!out_) Warn(path_ + "/log.jsonl cannot be written");
}

void RunFolder::Add(const LoggedStep& s) {
  steps_.push_back(s);
  Append(Dump({{"step", s.step},
               {"loss", s.loss},
               {"rate", s.rate},
               {"tokens", s.tokens},
               {"seconds", s.seconds},
               {"examples", s.examples}}));
}

void RunFolder::Add(const LoggedValidation& v) {
  validations_.push_back(v);
  Append(Dump({{"step", v.step},
               {"valid_loss", v.loss},
               {"tokens", v.tokens},
               {"seconds", v.seconds},
               {"best", v.best}}));
}

void RunFolder::Save(const CheckpointView& view) {
  const Status saved = SaveCheckpoint(*files_, path_ + "/checkpoint", view);
  if (saved.ok()) {
    saved_step_ = view.counters.step;
  } else {
    Warn(saved.message());
  }
}

void RunFolder::Draw(const std::string& title) {
  chart::PlotSeries loss, smooth, valid;
  loss.name = "training, each step";
  loss.muted = true;
  smooth.name = "training, running mean";
  valid.name = "validation";
  valid.markers = true;
  // A mean over the last steps, so many that noise does not hide the curve.
  const double weight = 1.0 / std::max<double>(1, static_cast<double>(steps_.size()) / 50.0);
  double mean = 0;
  for (const LoggedStep& step : steps_) {
    if (step.examples == 0) continue;  // all were skipped: no loss
    const double x = static_cast<double>(step.step);
    mean = smooth.points.empty() ? step.loss : mean + weight * (step.loss - mean);
    loss.points.push_back({x, step.loss});
    smooth.points.push_back({x, mean});
  }
  for (const LoggedValidation& v : validations_) {
    valid.points.push_back({static_cast<double>(v.step), v.loss});
  }
  chart::Plot plot;
  plot.title = title;
  plot.x_label = "step";
  plot.y_label = "loss, nats a token";
  plot.series = {std::move(loss), std::move(smooth)};
  if (!valid.points.empty()) plot.series.push_back(std::move(valid));
  const Status written = chart::WriteCurveSvg(*files_, path_ + "/curve.svg", plot);
  if (!written.ok()) Warn(written.message());
}

}  // namespace kvlink::train

#include "train/reporting.h"

#include <array>
#include <cstdio>

#include "base/clock.h"
#include "cli/interrupt.h"

namespace kvlink::train_app {
namespace {

std::string Fixed(double value, int digits) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value);
  return buffer.data();
}

}  // namespace

Reporting::Reporting() : bar_(console_, "training", /*enabled=*/true) {}

train::TrainProgress Reporting::MakeProgress() {
  train::TrainProgress progress;
  progress.start = [this](const train::TrainStart& start) { Started(start); };
  progress.step = [this](const train::LoggedStep& step) { Stepped(step); };
  progress.validation = [this](const train::LoggedValidation& v) { Validated(v); };
  progress.stop = [] { return cli::Interrupted(); };
  progress.log = Log([this](Severity severity, std::string_view text) {
    Line((severity == Severity::kWarning ? "warning: " : "") + std::string(text));
  });
  return progress;
}

void Reporting::Line(std::string_view text) { console_.Line(text); }

void Reporting::Started(const train::TrainStart& start) {
  start_ = start;
  started_ms_ = Clock::System().MonotonicMs();
  Line((start.first_step > 0 ? "goes on after step " + FormatCount(start.first_step) + " of "
                             : "steps ") +
       FormatCount(start.steps) + ", examples of an epoch " + FormatCount(start.examples) +
       ", log and checkpoint in " + start.run);
}

void Reporting::Stepped(const train::LoggedStep& step) {
  if (step.examples > 0) loss_ = loss_ < 0 ? step.loss : loss_ + 0.1 * (step.loss - loss_);
  const double each = (Clock::System().MonotonicMs() - started_ms_) /
                      static_cast<double>(step.step - start_.first_step);
  // Short enough for 80 columns with the bar and the remaining time.
  bar_.Draw(static_cast<double>(step.step) / static_cast<double>(start_.steps),
            FormatCount(step.step) + "/" + FormatCount(start_.steps) + " loss " + Fixed(loss_, 3) +
                ", rate " + Fixed(step.rate, 2),
            each * static_cast<double>(start_.steps - step.step));
}

void Reporting::Validated(const train::LoggedValidation& v) {
  Line("step " + FormatCount(v.step) + "/" + FormatCount(start_.steps) + ": loss " +
       Fixed(loss_, 4) + ", validation " + Fixed(v.loss, 4) + (v.best ? ", the best so far" : ""));
}

void Reporting::Averaged(const train::AverageSummary& mean) {
  if (mean.rank == 0) {
    return Line(mean.kept > 0 ? "no adapter: the files have none" : "no adapter: left out");
  }
  Line("rank " + std::to_string(mean.rank) + ", which holds " + Fixed(100 * mean.kept, 1) +
       " % of the mean adapter");
}

void Reporting::Finished(const train::TrainSummary& s) {
  std::string line = "loss " + Fixed(s.loss, 4);
  if (s.valid_loss >= 0) {
    line += ", validation " + Fixed(s.valid_loss, 4) + " at step " + FormatCount(s.best_step);
  }
  if (s.stopped_early) line += ", stopped early after step " + FormatCount(s.steps);
  line += ", " + FormatCount(s.examples) + " examples";
  if (s.skipped > 0) line += " (" + FormatCount(s.skipped) + " skipped)";
  Line(line + ", " + Fixed(s.seconds / 60, 1) + " minutes");
}

}  // namespace kvlink::train_app

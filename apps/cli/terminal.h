// What is special about a terminal: its width, aligned tables, the progress bar. Everything here
// writes to standard error or gives strings; answers and JSON go to standard output elsewhere. What
// is written is cleaned here (printable.h), so that no caller has to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/figures.h"
#include "cli/printable.h"

namespace kvlink::cli {

// Owner of standard error's last line. One thread.
class Console {
 public:
  // `clock` times what is said of long work where there is no terminal.
  explicit Console(Clock& clock = Clock::System());

  bool out_is_terminal() const { return out_is_terminal_; }
  bool err_is_terminal() const { return err_is_terminal_; }
  // Columns of the terminal that tables are shown on; 0: no terminal, no limit.
  int out_width() const { return out_is_terminal_ ? width_ : 0; }
  int err_width() const { return err_is_terminal_ ? width_ : 0; }

  // One line on standard error; a progress bar that stands there is wiped first.
  void Line(std::string_view text);
  // A table on standard error: its head is dimmed on a terminal, unless NO_COLOR is set.
  void Table(std::string_view table);
  // How far long work is: a line that whatever comes next overwrites. Without a terminal a plain
  // line, at most every half minute.
  void Transient(std::string_view text);
  void WipeTransient();

 private:
  void Write(std::string_view text);

  Clock& clock_;
  bool out_is_terminal_ = false;
  bool err_is_terminal_ = false;
  bool colours_ = false;
  int width_ = 0;
  bool transient_ = false;
  double last_said_ms_ = 0;
};

struct Column {
  std::string name;
  bool right = false;    // numbers
  bool shrinks = false;  // is cut when the table is wider than the terminal
};

// Lines of an aligned table with a head, none wider than `width` (0: no limit): long cells are cut,
// those of columns that shrink first.
std::string FormatTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<std::string>>& rows, int width);

// documents done/total, rate, remaining time. On a terminal a bar, drawn at most ten times a
// second.
class ProgressBar {
 public:
  // Draws nothing if `enabled` is false.
  ProgressBar(Console& console, std::string label, bool enabled);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `fraction` of the work in 0..1; `text` stands after the bar; remaining_ms < 0: not known.
  void Draw(double fraction, std::string_view text, double remaining_ms);

 private:
  Console& console_;
  std::string label_;
  bool enabled_;
  double last_ms_ = -1e9;
};

}  // namespace kvlink::cli

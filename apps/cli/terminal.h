// What is special about a terminal: colours, width, aligned tables, the progress bar. Everything
// here writes to standard error or gives strings; answers and JSON go to standard output elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvlink::cli {

// Owner of standard error's last line. One thread.
class Console {
 public:
  Console();

  bool out_is_terminal() const { return out_is_terminal_; }
  bool err_is_terminal() const { return err_is_terminal_; }
  int width() const { return width_; }  // columns; 0: no terminal, no limit

  // One line on standard error; a progress bar that stands there is wiped first.
  void Line(std::string_view text);
  // Text on standard error as it is.
  void Write(std::string_view text);
  // The line that is overwritten by whatever comes next. Nothing if there is no terminal.
  void Transient(std::string_view text);
  void WipeTransient();

  // For standard error: plain unless it is a terminal and NO_COLOR is not set.
  std::string Bold(std::string_view text) const;
  std::string Dim(std::string_view text) const;

 private:
  bool out_is_terminal_ = false;
  bool err_is_terminal_ = false;
  bool colours_ = false;
  int width_ = 0;
  bool transient_ = false;
};

// Columns that a text takes on a terminal: combining marks take none, wide characters two.
int DisplayWidth(std::string_view utf8);
// At most `columns` wide; what is cut is shown by an ellipsis.
std::string Shorten(std::string_view utf8, int columns);
// Text from documents and models made harmless for a terminal: valid UTF-8, no control characters
// (escape sequences) but, if kept, newlines and tabs.
std::string Printable(std::string_view bytes, bool keep_newlines);

struct Column {
  std::string name;
  bool right = false;    // numbers
  bool shrinks = false;  // is cut when the table is wider than the terminal
};

// Lines of an aligned table with a head; `width` 0: no limit.
std::string FormatTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<std::string>>& rows, int width);

std::string FormatBytes(int64_t bytes);  // "1.4 GiB"
std::string FormatCount(int64_t n);      // "12,345"
// "1 document", "12,345 documents"
std::string FormatCounted(int64_t n, std::string_view singular);
std::string FormatMs(double ms);  // "3.1 ms", "12.4 s", "2:05 min"

// documents done/total, rate, remaining time. Drawn at most ten times a second.
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

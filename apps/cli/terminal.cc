#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace kvlink::cli {
namespace {

std::string Padded(const std::string& text, int columns, bool right) {
  const std::string space(std::max(0, columns - DisplayWidth(text)), ' ');
  return right ? space + text : text + space;
}

// Whole seconds: nobody knows the time that is left better.
std::string FormatRemaining(double ms) {
  if (ms < 60'000) return std::to_string(std::llround(ms / 1000)) + " s";
  return FormatMs(ms);
}

// What the user or the terminal says; 0: neither does.
int Columns(int descriptor) {
  const char* given = std::getenv("COLUMNS");
  const std::string_view text = given == nullptr ? "" : given;
  int columns = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), columns);
  if (error == std::errc() && end == text.data() + text.size() && columns > 0) return columns;
  winsize size{};
  return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// The widths that columns are cut to, so that all fit. Where there is no room for all of them, the
// widest ones give.
void Fit(const std::vector<Column>& columns, int width, int gap, std::vector<int>* widths) {
  int excess = -gap - width;
  for (const int w : *widths) excess += w + gap;
  for (size_t c = columns.size(); c-- > 0 && excess > 0;) {
    if (!columns[c].shrinks) continue;
    constexpr int kLeast = 8;
    const int kept = std::max({kLeast, DisplayWidth(columns[c].name), (*widths)[c] - excess});
    if (kept >= (*widths)[c]) continue;
    excess -= (*widths)[c] - kept;
    (*widths)[c] = kept;
  }
  for (; excess > 0; --excess) {
    const auto widest = std::max_element(widths->begin(), widths->end());
    if (*widest <= 1) return;
    --*widest;
  }
}

}  // namespace

Console::Console(Clock& clock) : clock_(clock), last_said_ms_(clock.MonotonicMs()) {
  out_is_terminal_ = ::isatty(STDOUT_FILENO) == 1;
  err_is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  colours_ = err_is_terminal_ && (no_color == nullptr || *no_color == '\0') &&
             (term == nullptr || std::string_view(term) != "dumb");
  if (err_is_terminal_ || out_is_terminal_) {
    const int columns = Columns(err_is_terminal_ ? STDERR_FILENO : STDOUT_FILENO);
    width_ = columns > 0 ? columns : 80;
  }
}

void Console::Line(std::string_view text) {
  WipeTransient();
  Write(CleanLine(text) + "\n");
}

void Console::Table(std::string_view table) {
  WipeTransient();
  const std::string shown = CleanText(table);
  const size_t head = shown.find('\n');
  if (!colours_ || head == std::string::npos) return Write(shown);
  Write("\x1b[2m" + shown.substr(0, head) + "\x1b[0m" + shown.substr(head));
}

void Console::Write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void Console::Transient(std::string_view text) {
  if (err_is_terminal_) {
    Write("\r\x1b[K" + Shorten(CleanLine(text), std::max(1, width_ - 1)));
    transient_ = true;
    return;
  }
  constexpr double kInterval_ms = 30'000;
  const double now_ms = clock_.MonotonicMs();
  if (now_ms - last_said_ms_ < kInterval_ms) return;
  last_said_ms_ = now_ms;
  std::string line = "kvlink: ";
  line += text;
  Line(line);
}

void Console::WipeTransient() {
  if (!transient_) return;
  transient_ = false;
  Write("\r\x1b[K");
}

std::string FormatTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<std::string>>& rows, int width) {
  std::vector<std::vector<std::string>> cells = rows;
  std::vector<int> widths;
  for (size_t c = 0; c < columns.size(); ++c) {
    int widest = DisplayWidth(columns[c].name);
    for (auto& row : cells) {
      row[c] = CleanLine(row[c]);
      widest = std::max(widest, DisplayWidth(row[c]));
    }
    widths.push_back(widest);
  }
  constexpr int kGap = 2;
  if (width > 0) Fit(columns, width, kGap, &widths);
  std::string out;
  const auto append = [&](size_t c, const std::string& text) {
    const std::string cell = Padded(Shorten(text, widths[c]), widths[c], columns[c].right);
    out += cell;
    if (c + 1 < columns.size()) {
      out += std::string(kGap, ' ');
    } else {
      out.erase(out.find_last_not_of(' ') + 1);
      out += '\n';
    }
  };
  for (size_t c = 0; c < columns.size(); ++c) append(c, columns[c].name);
  for (const auto& row : cells) {
    for (size_t c = 0; c < columns.size(); ++c) append(c, row[c]);
  }
  return out;
}

ProgressBar::ProgressBar(Console& console, std::string label, bool enabled)
    : console_(console), label_(std::move(label)), enabled_(enabled) {}

ProgressBar::~ProgressBar() {
  if (enabled_) console_.WipeTransient();
}

void ProgressBar::Draw(double fraction, std::string_view text, double remaining_ms) {
  if (!enabled_) return;
  constexpr double kInterval_ms = 100;
  const double now_ms = Clock::System().MonotonicMs();
  if (now_ms - last_ms_ < kInterval_ms) return;
  last_ms_ = now_ms;

  std::string line = label_;
  if (console_.err_is_terminal()) {
    constexpr int kCells = 16;
    const int filled = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kCells);
    line += " [" + std::string(filled, '#') + std::string(kCells - filled, '.') + "]";
  }
  line += ' ';
  line += text;
  if (remaining_ms >= 500) line += ", " + FormatRemaining(remaining_ms) + " left";
  console_.Transient(line);
}

}  // namespace kvlink::cli

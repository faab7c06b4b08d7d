#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include <clocale>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "text/tokenizer.h"

namespace kvlink::cli {
namespace {

// The next character of valid UTF-8 at *at, which moves behind it.
char32_t NextCharacter(std::string_view text, size_t* at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(i < text.size() ? text[i] : 0); };
  const uint8_t first = byte(*at);
  const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  char32_t c = length == 1 ? first : first & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) c = (c << 6) | (byte(*at + i) & 0x3f);
  *at = std::min(*at + length, text.size());
  return c;
}

// The C library's table for UTF-8, whatever the user's locale is.
int CharacterWidth(char32_t c) {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (c < 0x7f) return 1;
  if (utf8 == nullptr) return 1;
  const locale_t before = uselocale(utf8);
  const int width = wcwidth(static_cast<wchar_t>(c));
  uselocale(before);
  return std::max(width, 0);
}

std::string Padded(const std::string& text, int columns, bool right) {
  const std::string space(std::max(0, columns - DisplayWidth(text)), ' ');
  return right ? space + text : text + space;
}

std::string Format(const char* format, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

// Whole seconds: nobody knows the time that is left better.
std::string FormatRemaining(double ms) {
  if (ms < 60'000) return Format("%.0f s", ms / 1000);
  return FormatMs(ms);
}

}  // namespace

Console::Console() {
  out_is_terminal_ = ::isatty(STDOUT_FILENO) == 1;
  err_is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  colours_ = err_is_terminal_ && (no_color == nullptr || *no_color == '\0') &&
             (term == nullptr || std::string_view(term) != "dumb");
  winsize size{};
  if (err_is_terminal_ || out_is_terminal_) {
    const int descriptor = err_is_terminal_ ? STDERR_FILENO : STDOUT_FILENO;
    width_ = ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }
}

void Console::Line(std::string_view text) {
  WipeTransient();
  std::string line(text);
  line += '\n';
  Write(line);
}

void Console::Write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void Console::Transient(std::string_view text) {
  if (!err_is_terminal_) return;
  Write("\r\x1b[K" + Shorten(text, std::max(1, width_ - 1)));
  transient_ = true;
}

void Console::WipeTransient() {
  if (!transient_) return;
  transient_ = false;
  Write("\r\x1b[K");
}

std::string Console::Bold(std::string_view text) const {
  return colours_ ? "\x1b[1m" + std::string(text) + "\x1b[0m" : std::string(text);
}

std::string Console::Dim(std::string_view text) const {
  return colours_ ? "\x1b[2m" + std::string(text) + "\x1b[0m" : std::string(text);
}

int DisplayWidth(std::string_view utf8) {
  int width = 0;
  for (size_t at = 0; at < utf8.size();) width += CharacterWidth(NextCharacter(utf8, &at));
  return width;
}

std::string Shorten(std::string_view utf8, int columns) {
  if (DisplayWidth(utf8) <= columns) return std::string(utf8);
  if (columns <= 0) return "";
  int width = 0;
  size_t at = 0;
  while (at < utf8.size()) {
    size_t next = at;
    width += CharacterWidth(NextCharacter(utf8, &next));
    if (width > columns - 1) break;  // the ellipsis takes one
    at = next;
  }
  return std::string(utf8.substr(0, at)) + "\u2026";
}

std::string Printable(std::string_view bytes, bool keep_newlines) {
  const std::string text = ToValidUtf8(bytes, nullptr);
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t c = NextCharacter(text, &at);
    const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    if (!control || (keep_newlines && (c == '\n' || c == '\t'))) {
      out.append(text, start, at - start);
    } else {
      out += ' ';
    }
  }
  return out;
}

std::string FormatTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<std::string>>& rows, int width) {
  std::vector<int> widths;
  for (size_t c = 0; c < columns.size(); ++c) {
    int widest = DisplayWidth(columns[c].name);
    for (const auto& row : rows) widest = std::max(widest, DisplayWidth(row[c]));
    widths.push_back(widest);
  }
  constexpr int kGap = 2;
  if (width > 0) {
    int total = -kGap;
    for (const int w : widths) total += w + kGap;
    for (size_t c = columns.size(); c-- > 0 && total > width;) {
      if (!columns[c].shrinks) continue;
      const int kept = std::max({8, DisplayWidth(columns[c].name), widths[c] - (total - width)});
      if (kept >= widths[c]) continue;
      total -= widths[c] - kept;
      widths[c] = kept;
    }
  }
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
  for (const auto& row : rows) {
    for (size_t c = 0; c < columns.size(); ++c) append(c, row[c]);
  }
  return out;
}

std::string FormatBytes(int64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return Format(unit == 0 ? "%.0f " : "%.1f ", value) + kUnits[unit];
}

std::string FormatCount(int64_t n) {
  std::string digits = std::to_string(n);
  const size_t first = n < 0 ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string FormatCounted(int64_t n, std::string_view singular) {
  return FormatCount(n) + " " + std::string(singular) + (n == 1 ? "" : "s");
}

std::string FormatMs(double ms) {
  if (ms < 100) return Format("%.1f ms", ms);
  if (ms < 1000) return Format("%.0f ms", ms);
  if (ms < 60'000) return Format("%.1f s", ms / 1000);
  const int64_t seconds = std::llround(ms / 1000);
  if (seconds < 3600) {
    return std::to_string(seconds / 60) + Format(":%02.0f min", static_cast<double>(seconds % 60));
  }
  const int64_t minutes = seconds / 60;
  return std::to_string(minutes / 60) + Format(":%02.0f h", static_cast<double>(minutes % 60));
}

ProgressBar::ProgressBar(Console& console, std::string label, bool enabled)
    : console_(console), label_(std::move(label)), enabled_(enabled && console.err_is_terminal()) {}

ProgressBar::~ProgressBar() {
  if (enabled_) console_.WipeTransient();
}

void ProgressBar::Draw(double fraction, std::string_view text, double remaining_ms) {
  if (!enabled_) return;
  constexpr double kInterval_ms = 100;
  const double now_ms = Clock::System().MonotonicMs();
  if (now_ms - last_ms_ < kInterval_ms) return;
  last_ms_ = now_ms;

  constexpr int kCells = 16;
  const int filled = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kCells);
  std::string line = label_ + " [" + std::string(filled, '#') + std::string(kCells - filled, '.') +
                     "] " + std::string(text);
  if (remaining_ms >= 500) line += ", " + FormatRemaining(remaining_ms) + " left";
  console_.Transient(line);
}

}  // namespace kvlink::cli

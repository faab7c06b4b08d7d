#include "base/figures.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace kvlink {
namespace {

std::string Format(const char* format, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

}  // namespace

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
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string FormatCounted(int64_t n, std::string_view singular) {
  std::string text = FormatCount(n);
  text += ' ';
  text += singular;
  return n == 1 ? text : text + "s";
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

}  // namespace kvlink

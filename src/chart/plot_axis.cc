// Axes of charts (chart/plot_axis.h).
#include "chart/plot_axis.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>

namespace kvlink::chart {
namespace {

// A value as a tick says it: `decimals` digits after the point, no "-0"; powers of ten beyond six
// digits.
std::string TickText(double value, int decimals) {
  char text[64];
  if (value != 0 && (std::fabs(value) >= 1e6 || std::fabs(value) < 1e-5)) {
    std::snprintf(text, sizeof text, "%.6g", value);
  } else {
    std::snprintf(text, sizeof text, "%.*f", decimals, value == 0 ? 0.0 : value);
  }
  return text;
}

std::string ShortText(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

double NiceStep(double wanted) {
  const double power = std::pow(10, std::floor(std::log10(wanted)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= wanted * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

}  // namespace

std::vector<AxisTick> LinearTicks(double low, double high, int most) {
  const double step = NiceStep((high - low) / std::max(most, 1));
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 12);
  std::vector<AxisTick> ticks;
  const double first = std::ceil(low / step - 1e-9);
  // The bound is for ranges so narrow that a step vanishes beside the values.
  for (int i = 0; i <= 2 * most + 2; ++i) {
    const double value = (first + i) * step;
    if (value > high + step * 1e-9) break;
    ticks.push_back({value, TickText(value, decimals)});
  }
  return ticks;
}

std::vector<AxisTick> LogTicks(double low, double high, int most) {
  const std::vector<double> choices[] = {
      {1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}};
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::floor(std::log10(high)));
  std::vector<AxisTick> best;
  for (const std::vector<double>& factors : choices) {
    std::vector<AxisTick> ticks;
    for (int power = first; power <= last; ++power) {
      for (const double factor : factors) {
        const double value = factor * std::pow(10, power);
        if (value >= low && value <= high) ticks.push_back({value, ShortText(value)});
      }
    }
    best = std::move(ticks);
    if (static_cast<int>(best.size()) <= most) break;
  }
  if (best.size() < 3) return LinearTicks(low, high, std::max(3, most / 2));
  if (static_cast<int>(best.size()) > most) {  // many powers of ten: every second, third, ...
    const size_t stride = (best.size() + most - 1) / static_cast<size_t>(most);
    std::vector<AxisTick> fewer;
    for (size_t i = 0; i < best.size(); i += stride) fewer.push_back(best[i]);
    return fewer;
  }
  return best;
}

PlotAxis::PlotAxis(const std::vector<double>& values, bool log, double pixel_low, double pixel_high)
    : log_(log), pixel_low_(pixel_low), pixel_high_(pixel_high) {
  bool some = false;
  for (const double value : values) {
    if (!CanDraw(value)) continue;
    low_ = some ? std::min(low_, value) : value;
    high_ = some ? std::max(high_, value) : value;
    some = true;
  }
  if (!some) {
    low_ = log ? 1 : 0;
    high_ = log ? 10 : 1;
  }
  if (log_) {
    const double margin = std::max(0.06 * std::log10(high_ / low_), 0.02);
    low_ *= std::pow(10, -margin);
    high_ *= std::pow(10, margin);
    return;
  }
  const bool none_below = low_ >= 0;
  if (low_ == 0 && high_ == 0) high_ = 1;  // nothing but zeros: readable ticks all the same
  const double spread = std::max(high_ - low_, std::max(std::fabs(high_) * 0.02, 1e-9));
  // Halved before it is added, so that numbers near the largest stay finite.
  low_ -= 0.06 * spread;
  high_ += 0.06 * spread;
  if (none_below) low_ = std::max(low_, 0.0);
}

bool PlotAxis::CanDraw(double value) const {
  // The bounds keep differences and quotients of two values finite.
  return std::isfinite(value) && std::fabs(value) < 1e100 && (!log_ || value > 1e-100);
}

double PlotAxis::Scaled(double value) const {
  if (log_) return std::log10(value / low_) / std::log10(high_ / low_);
  return (value - low_) / (high_ - low_);
}

double PlotAxis::PixelOf(double value) const {
  return pixel_low_ + Scaled(value) * (pixel_high_ - pixel_low_);
}

std::vector<AxisTick> PlotAxis::Ticks(int most) const {
  return log_ ? LogTicks(low_, high_, most) : LinearTicks(low_, high_, most);
}

}  // namespace kvlink::chart

// One axis of a chart: its range, its ticks, and where a value stands. Pure.
#pragma once

#include <string>
#include <vector>

namespace kvlink::chart {

struct AxisTick {
  double value = 0;
  std::string text;
};

// "Nice" numbers (1, 2, 5 times a power of ten) within [low, high], at most about `most` of them.
// REQUIRES: low < high, both finite
std::vector<AxisTick> LinearTicks(double low, double high, int most);
// Powers of ten and numbers between them, as many as fit; linear ticks for a narrow range.
// REQUIRES: 0 < low < high, both finite
std::vector<AxisTick> LogTicks(double low, double high, int most);

class PlotAxis {
 public:
  // Takes in all values that can be drawn, then a margin; an axis whose values are none below 0
  // does not begin below 0. pixel_low is where the lowest value stands.
  PlotAxis(const std::vector<double>& values, bool log, double pixel_low, double pixel_high);

  bool CanDraw(double value) const;
  double PixelOf(double value) const;  // REQUIRES: CanDraw(value)
  std::vector<AxisTick> Ticks(int most) const;

 private:
  double Scaled(double value) const;

  bool log_;
  double low_ = 0;  // of the axis, in the values' units
  double high_ = 1;
  double pixel_low_;
  double pixel_high_;
};

}  // namespace kvlink::chart

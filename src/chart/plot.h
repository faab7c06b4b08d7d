// Charts as SVG, without a library and without scripts: lines (training curves) and labelled points
// (quality against time). Pure, but for the function that writes a file.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "kvlink/status.h"

namespace kvlink::chart {

inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

struct PlotPoint {
  double x = 0;
  double y = 0;
  std::string label = {};    // stands beside the point, clear of other labels
  double x_low = kNoNumber;  // ends of a bar; none where one is not a number
  double x_high = kNoNumber;
  double y_low = kNoNumber;
  double y_high = kNoNumber;
};

struct PlotSeries {
  std::string name;  // in the legend, if not empty
  std::vector<PlotPoint> points;
  bool line = true;      // joins the points in their order
  bool markers = false;  // a dot at each
  bool muted = false;    // grey and dashed, behind the others: a frontier, a reference
  int colour =
      -1;  // of the palette; -1: the next one. So one method keeps its colour in all charts
};

struct Plot {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<PlotSeries> series;
  bool log_x = false;
  bool log_y = false;
  int width_px = 720;
  int height_px = 440;
};

// Points that are no finite numbers, or not above 0 on a log axis, are left out. A line of many
// more points than pixels is drawn by its lowest and highest point in each column of pixels.
std::string PlotSvg(const Plot& plot);

// A chart of curves over one x, such as loss and validation loss over steps.
Status WriteCurveSvg(FileSystem& files, const std::string& path, const Plot& plot);

// Text inside XML or HTML, also in quoted attributes. What XML forbids becomes U+FFFD.
std::string EscapeXml(std::string_view text);

}  // namespace kvlink::chart

// Charts (chart/plot.h): measures texts, leaves room for them, then draws from back to front: grid,
// bars, lines, dots, labels.
#include "chart/plot.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <utility>

#include "base/utf8.h"
#include "chart/plot_axis.h"
#include "chart/plot_labels.h"

namespace kvlink::chart {
namespace {

constexpr double kFont = 12;
constexpr double kTitleFont = 15;
constexpr const char* kInk = "#222222";
constexpr const char* kGrey = "#8a8a8a";
// Told apart by those who see fewer colours too (after Okabe and Ito), all dark enough for text.
constexpr const char* kColours[] = {"#0069a8", "#c44d00", "#00805c", "#a8447f",
                                    "#96700a", "#5b4bb3", "#7a5230", "#444444"};

// An estimate from above for common sans-serif fonts: the reader's font is not known here.
double TextWidth(std::string_view text, double font) {
  double characters = 0;
  for (size_t at = 0; at < text.size(); at += NextUtf8(text, at).size) ++characters;
  return characters * font * 0.58;
}

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// Words in lines of at most `width` pixels; a longer word has a line of its own.
std::vector<std::string> Wrapped(const std::string& text, double font, double width) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (lines.empty() || TextWidth(lines.back() + " " + word, font) > width) {
      lines.push_back(word);
    } else {
      lines.back() += " " + word;
    }
    at = end + 1;
  }
  return lines;
}

// Elements in the order they are drawn.
class Svg {
 public:
  Svg(int width, int height) {
    const std::string w = std::to_string(width), h = std::to_string(height);
    out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "\" height=\"" + h +
           "\" viewBox=\"0 0 " + w + " " + h +
           "\" font-family=\"system-ui, 'DejaVu Sans', Arial, sans-serif\">\n<rect width=\"" + w +
           "\" height=\"" + h + "\" fill=\"#ffffff\"/>\n";
  }
  void Line(double x1, double y1, double x2, double y2, const std::string& colour, double width) {
    out_ += "<line x1=\"" + Number(x1) + "\" y1=\"" + Number(y1) + "\" x2=\"" + Number(x2) +
            "\" y2=\"" + Number(y2) + "\" stroke=\"" + colour + "\" stroke-width=\"" +
            Number(width) + "\"/>\n";
  }
  void Path(const std::vector<std::pair<double, double>>& points, const std::string& colour,
            bool dashed) {
    if (points.size() < 2) return;
    out_ += "<polyline fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"1.6\"";
    out_ += " stroke-linejoin=\"round\"";
    out_ += dashed ? " stroke-dasharray=\"5 4\" points=\"" : " points=\"";
    for (const auto& [x, y] : points) out_ += Number(x) + "," + Number(y) + " ";
    out_ += "\"/>\n";
  }
  void Dot(double x, double y, const std::string& colour) {
    out_ += "<circle cx=\"" + Number(x) + "\" cy=\"" + Number(y) + "\" r=\"4\" fill=\"" + colour +
            "\" stroke=\"#ffffff\"/>\n";
  }
  // anchor: start, middle, end. y is the baseline.
  void Text(double x, double y, const std::string& text, const char* anchor, double font,
            const std::string& colour, const std::string& more = {}) {
    out_ += "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" text-anchor=\"" + anchor +
            "\" font-size=\"" + Number(font) + "\" fill=\"" + colour + "\"" + more + ">" +
            EscapeXml(text) + "</text>\n";
  }
  std::string Finish() { return std::move(out_) + "</svg>\n"; }

 private:
  std::string out_;
};

std::string ColourOf(const Plot& plot, size_t index) {
  if (plot.series[index].muted) return kGrey;
  if (plot.series[index].colour >= 0) {
    return kColours[static_cast<size_t>(plot.series[index].colour) % std::size(kColours)];
  }
  size_t coloured = 0;
  for (size_t i = 0; i < index; ++i) coloured += plot.series[i].muted ? 0 : 1;
  return kColours[coloured % std::size(kColours)];
}

std::vector<double> Values(const Plot& plot, double PlotPoint::*at, double PlotPoint::*low,
                           double PlotPoint::*high) {
  std::vector<double> values;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& point : series.points) {
      for (const auto member : {at, low, high}) values.push_back(point.*member);
    }
  }
  return values;
}

// Entries of the legend, in rows of at most the chart's width.
struct LegendEntry {
  size_t series = 0;
  double x = 0;
  int row = 0;
};

std::vector<LegendEntry> LegendOf(const Plot& plot, double left, double right) {
  std::vector<LegendEntry> entries;
  double x = left;
  int row = 0;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    if (plot.series[i].name.empty()) continue;
    const double width = 24 + TextWidth(plot.series[i].name, kFont) + 18;
    if (x > left && x + width > right) {
      x = left;
      ++row;
    }
    entries.push_back({i, x, row});
    x += width;
  }
  return entries;
}

// The lowest and the highest point of each column of pixels, in their order.
std::vector<std::pair<double, double>> Thinned(std::vector<std::pair<double, double>> points,
                                               double columns) {
  if (static_cast<double>(points.size()) <= 4 * columns) return points;
  std::vector<std::pair<double, double>> kept;
  for (size_t begin = 0; begin < points.size();) {
    size_t end = begin, low = begin, high = begin;
    for (; end < points.size() && std::floor(points[end].first) == std::floor(points[begin].first);
         ++end) {
      if (points[end].second < points[low].second) low = end;
      if (points[end].second > points[high].second) high = end;
    }
    kept.push_back(points[std::min(low, high)]);
    if (low != high) kept.push_back(points[std::max(low, high)]);
    begin = end;
  }
  return kept;
}

// What stands where: the frame of the data and the axes through it.
struct Layout {
  PlotBox frame;
  PlotAxis x;
  PlotAxis y;
};

void DrawAxes(const Plot& plot, const Layout& layout, Svg* svg) {
  const PlotBox& frame = layout.frame;
  const double bottom = frame.y + frame.height;
  for (const AxisTick& tick : layout.y.Ticks(std::max(3, static_cast<int>(frame.height / 45)))) {
    const double y = layout.y.PixelOf(tick.value);
    svg->Line(frame.x, y, frame.x + frame.width, y, "#e4e4e4", 1);
    svg->Text(frame.x - 7, y + 4, tick.text, "end", kFont, kInk);
  }
  double free_from = 0;
  for (const AxisTick& tick : layout.x.Ticks(std::max(3, static_cast<int>(frame.width / 60)))) {
    const double x = layout.x.PixelOf(tick.value);
    svg->Line(x, frame.y, x, bottom, "#f0f0f0", 1);
    svg->Line(x, bottom, x, bottom + 4, kInk, 1);
    const double half = TextWidth(tick.text, kFont) / 2;
    if (x - half < free_from) continue;  // on a log axis ticks come closer and closer
    svg->Text(x, bottom + 18, tick.text, "middle", kFont, kInk);
    free_from = x + half + 6;
  }
  svg->Line(frame.x, frame.y, frame.x, bottom, kInk, 1);
  svg->Line(frame.x, bottom, frame.x + frame.width, bottom, kInk, 1);
  svg->Text(frame.x + frame.width / 2, bottom + 38, plot.x_label, "middle", kFont, kInk);
  const double middle = frame.y + frame.height / 2;
  svg->Text(16, middle, plot.y_label, "middle", kFont, kInk,
            " transform=\"rotate(-90 16 " + Number(middle) + ")\"");
}

// A bar with caps, from low to high; `avoid` learns where it stands.
void DrawBar(double x1, double y1, double x2, double y2, const std::string& colour, Svg* svg,
             std::vector<PlotBox>* avoid) {
  svg->Line(x1, y1, x2, y2, colour, 1);
  const double cap_x = x1 == x2 ? 3 : 0, cap_y = y1 == y2 ? 3 : 0;
  svg->Line(x1 - cap_x, y1 - cap_y, x1 + cap_x, y1 + cap_y, colour, 1);
  svg->Line(x2 - cap_x, y2 - cap_y, x2 + cap_x, y2 + cap_y, colour, 1);
  avoid->push_back(
      {std::min(x1, x2) - 1, std::min(y1, y2) - 1, std::fabs(x2 - x1) + 2, std::fabs(y2 - y1) + 2});
}

void DrawBars(const PlotPoint& point, const Layout& layout, const std::string& colour, Svg* svg,
              std::vector<PlotBox>* avoid) {
  const double x = layout.x.PixelOf(point.x), y = layout.y.PixelOf(point.y);
  if (layout.x.CanDraw(point.x_low) && layout.x.CanDraw(point.x_high)) {
    DrawBar(layout.x.PixelOf(point.x_low), y, layout.x.PixelOf(point.x_high), y, colour, svg,
            avoid);
  }
  if (layout.y.CanDraw(point.y_low) && layout.y.CanDraw(point.y_high)) {
    DrawBar(x, layout.y.PixelOf(point.y_low), x, layout.y.PixelOf(point.y_high), colour, svg,
            avoid);
  }
}

// A line for labels to keep off: small boxes along it.
void AvoidPath(const std::vector<std::pair<double, double>>& path, std::vector<PlotBox>* avoid) {
  for (size_t i = 1; i < path.size() && path.size() < 200; ++i) {
    const auto [x1, y1] = path[i - 1];
    const auto [x2, y2] = path[i];
    const int steps = 1 + static_cast<int>(std::hypot(x2 - x1, y2 - y1) / 10);
    for (int s = 0; s <= steps; ++s) {
      const double t = static_cast<double>(s) / steps;
      avoid->push_back({x1 + t * (x2 - x1) - 1, y1 + t * (y2 - y1) - 1, 2, 2});
    }
  }
}

void DrawLabels(const std::vector<LabelWish>& wishes,
                const std::vector<std::pair<std::string, std::string>>& texts_and_colours,
                const Layout& layout, const std::vector<PlotBox>& avoid, Svg* svg) {
  const std::vector<PlotBox> boxes = PlaceLabels(wishes, layout.frame, avoid);
  for (size_t i = 0; i < boxes.size(); ++i) {
    const auto& [text, colour] = texts_and_colours[i];
    const PlotBox& box = boxes[i];
    const double x = std::clamp(wishes[i].x, box.x, box.x + box.width);
    const double y = std::clamp(wishes[i].y, box.y, box.y + box.height);
    // Far from its point a label needs a line to it.
    if (std::hypot(x - wishes[i].x, y - wishes[i].y) > 15) {
      svg->Line(wishes[i].x, wishes[i].y, x, y, kGrey, 0.7);
    }
    svg->Text(box.x + box.width / 2, box.y + box.height - 4, text, "middle", kFont, colour,
              " paint-order=\"stroke\" stroke=\"#ffffff\" stroke-width=\"3\"");
  }
}

void DrawSeries(const Plot& plot, const Layout& layout, Svg* svg) {
  std::vector<PlotBox> avoid;
  std::vector<LabelWish> wishes;
  std::vector<std::pair<std::string, std::string>> labels;
  bool drawn = false;
  for (const bool muted : {true, false}) {
    for (size_t i = 0; i < plot.series.size(); ++i) {
      const PlotSeries& series = plot.series[i];
      if (series.muted != muted) continue;
      const std::string colour = ColourOf(plot, i);
      std::vector<std::pair<double, double>> path;
      for (const PlotPoint& point : series.points) {
        if (!layout.x.CanDraw(point.x) || !layout.y.CanDraw(point.y)) continue;
        path.emplace_back(layout.x.PixelOf(point.x), layout.y.PixelOf(point.y));
        DrawBars(point, layout, colour, svg, &avoid);
        if (point.label.empty()) {
          if (series.markers)
            avoid.push_back({path.back().first - 5, path.back().second - 5, 10, 10});
          continue;
        }
        wishes.push_back(
            {path.back().first, path.back().second, TextWidth(point.label, kFont) + 2, kFont + 4});
        labels.emplace_back(point.label, colour);
      }
      drawn |= !path.empty();
      if (series.line) {
        const auto thinned = Thinned(path, layout.frame.width);
        svg->Path(thinned, colour, series.muted);
        AvoidPath(thinned, &avoid);
      }
      for (const auto& [x, y] : path) {
        if (series.markers) svg->Dot(x, y, colour);
      }
    }
  }
  DrawLabels(wishes, labels, layout, avoid, svg);
  if (!drawn) {
    svg->Text(layout.frame.x + layout.frame.width / 2, layout.frame.y + layout.frame.height / 2,
              "no data", "middle", kTitleFont, kGrey);
  }
}

}  // namespace

std::string EscapeXml(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = NextUtf8(text, at);
    const char c = text[at];
    const bool control =
        static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r';
    const std::string_view character = text.substr(at, step.size);
    at += step.size;
    if (step.kind != Utf8Step::kWhole || control || character == "\xef\xbf\xbe" ||
        character == "\xef\xbf\xbf") {
      out += kReplacementCharacter;
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += character;
    }
  }
  return out;
}

std::string PlotSvg(const Plot& plot) {
  Svg svg(plot.width_px, plot.height_px);
  const double right = plot.width_px - 18;
  const std::vector<std::string> title = Wrapped(plot.title, kTitleFont, plot.width_px - 32);
  const std::vector<double> ys = Values(plot, &PlotPoint::y, &PlotPoint::y_low, &PlotPoint::y_high);
  // The left margin is as wide as the widest tick, which the axis knows before it has its place.
  double widest = 0;
  for (const AxisTick& tick : PlotAxis(ys, plot.log_y, 1, 0).Ticks(plot.height_px / 45)) {
    widest = std::max(widest, TextWidth(tick.text, kFont));
  }
  const double left = 36 + std::max(widest, 24.0);
  const std::vector<LegendEntry> legend = LegendOf(plot, left, right);
  const double legend_top = 14 + 20 * static_cast<double>(title.size());
  const double top = legend_top + (legend.empty() ? 0 : 20 * (legend.back().row + 1)) + 8;
  const double bottom = std::max(plot.height_px - 52.0, top + 40);

  for (size_t i = 0; i < title.size(); ++i) {
    svg.Text(16, 24 + 20 * static_cast<double>(i), title[i], "start", kTitleFont, kInk,
             " font-weight=\"600\"");
  }
  for (const LegendEntry& entry : legend) {
    const double y = legend_top + 10 + 20 * entry.row;
    const PlotSeries& series = plot.series[entry.series];
    const std::string colour = ColourOf(plot, entry.series);
    if (series.line) svg.Path({{entry.x, y}, {entry.x + 18, y}}, colour, series.muted);
    if (series.markers) svg.Dot(entry.x + 9, y, colour);
    svg.Text(entry.x + 24, y + 4, series.name, "start", kFont, kInk);
  }
  const Layout layout{{left, top, right - left, bottom - top},
                      PlotAxis(Values(plot, &PlotPoint::x, &PlotPoint::x_low, &PlotPoint::x_high),
                               plot.log_x, left, right),
                      PlotAxis(ys, plot.log_y, bottom, top)};
  DrawAxes(plot, layout, &svg);
  DrawSeries(plot, layout, &svg);
  return svg.Finish();
}

Status WriteCurveSvg(FileSystem& files, const std::string& path, const Plot& plot) {
  return WriteWholeFile(files, path, PlotSvg(plot));
}

}  // namespace kvlink::chart

// Charts: ticks, labels that cover nothing, and SVG that is well-formed whatever it is given.
#include "chart/plot.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "chart/plot_axis.h"
#include "chart/plot_labels.h"
#include "support/tiny_model.h"

namespace kvlink::chart {
namespace {

std::string Texts(const std::vector<AxisTick>& ticks) {
  std::string texts;
  for (const AxisTick& tick : ticks) texts += (texts.empty() ? "" : " ") + tick.text;
  return texts;
}

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Tags close in the order they open, and no tag stands inside a tag.
bool WellFormed(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t at = svg.find('<'); at != svg.npos; at = svg.find('<', at + 1)) {
    const size_t end = svg.find('>', at);
    if (end == svg.npos) return false;
    const std::string tag = svg.substr(at + 1, end - at - 1);
    if (tag.find('<') != tag.npos) return false;
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
  }
  return open.empty() && WellFormedEnd(svg, 0) == svg.size() && svg.find("nan") == svg.npos &&
         svg.find("inf") == svg.npos;
}

PlotPoint At(double x, double y, const std::string& label = {}) {
  PlotPoint point;
  point.x = x;
  point.y = y;
  point.label = label;
  return point;
}

Plot OneSeries(std::vector<PlotPoint> points) {
  Plot plot;
  plot.series.push_back({"one", std::move(points)});
  return plot;
}

TEST(PlotAxis, LinearTicks) {
  EXPECT_EQ(Texts(LinearTicks(0, 1, 5)), "0.0 0.2 0.4 0.6 0.8 1.0");
  EXPECT_EQ(Texts(LinearTicks(-0.3, 0.31, 7)), "-0.3 -0.2 -0.1 0.0 0.1 0.2 0.3");
  EXPECT_EQ(Texts(LinearTicks(12, 6100, 6)), "2000 4000 6000");
  EXPECT_EQ(Texts(LinearTicks(2.401, 2.449, 5)), "2.41 2.42 2.43 2.44");
  EXPECT_EQ(Texts(LinearTicks(0, 3e7, 3)), "0 1e+07 2e+07 3e+07");
}

TEST(PlotAxis, LogTicks) {
  EXPECT_EQ(Texts(LogTicks(45, 2600, 10)), "50 70 100 200 300 500 700 1000 2000");
  EXPECT_EQ(Texts(LogTicks(0.5, 2e6, 8)), "1 10 100 1000 10000 100000 1e+06");
  EXPECT_EQ(Texts(LogTicks(100, 110, 8)), "100 105 110");
  EXPECT_LE(LogTicks(1e-90, 1e90, 8).size(), 8u);
}

TEST(PlotAxis, TakesInAllValuesWithRoom) {
  const PlotAxis axis({3, 5, kNoNumber, INFINITY}, false, 0, 100);
  EXPECT_GT(axis.PixelOf(3), 2);
  EXPECT_LT(axis.PixelOf(5), 98);
  EXPECT_FALSE(axis.CanDraw(INFINITY));
  EXPECT_GE(PlotAxis({0, 1}, false, 0, 100).PixelOf(0), -1e-9);  // nothing below zero
  const PlotAxis log({10, 1000, 0, -5}, true, 0, 100);
  EXPECT_NEAR(log.PixelOf(100), 50, 1e-9);
  EXPECT_FALSE(log.CanDraw(0));
}

TEST(PlotAxis, NothingButZerosHasReadableTicks) {
  const PlotAxis axis({0, 0, 0}, false, 400, 0);
  EXPECT_EQ(Texts(axis.Ticks(6)), "0.0 0.2 0.4 0.6 0.8 1.0");
  EXPECT_EQ(axis.PixelOf(0), 400);
}

RC_GTEST_PROP(PlotAxis, AnyValuesGiveAFiniteAxis, (std::vector<double> values, bool log)) {
  const PlotAxis axis(values, log, 300, 20);
  const std::vector<AxisTick> ticks = axis.Ticks(7);
  RC_ASSERT(ticks.size() <= 20u);
  for (size_t i = 0; i < ticks.size(); ++i) {
    const double pixel = axis.PixelOf(ticks[i].value);
    RC_ASSERT(pixel >= 19.5 && pixel <= 300.5);
  }
  for (const double value : values) {
    if (!axis.CanDraw(value)) continue;
    RC_ASSERT(axis.PixelOf(value) >= 19.99 && axis.PixelOf(value) <= 300.01);
  }
}

// A dozen points, as crowded as they like: labels stay inside and clear of each other.
RC_GTEST_PROP(PlotLabels, CoverNeitherEachOtherNorTheEdge, ()) {
  const PlotBox area{60, 60, 620, 320};
  const int n = *rc::gen::inRange(1, 13);
  const int spread = *rc::gen::element(1, 10, 60, 300);
  std::vector<LabelWish> wishes;
  for (int i = 0; i < n; ++i) {
    const double x = 70 + *rc::gen::inRange(0, 2 * spread);
    const double y = 70 + *rc::gen::inRange(0, spread);
    wishes.push_back({x, y, static_cast<double>(*rc::gen::inRange(30, 140)), 16});
  }
  const std::vector<PlotBox> boxes = PlaceLabels(wishes, area, {});
  RC_ASSERT(boxes.size() == wishes.size());
  for (size_t i = 0; i < boxes.size(); ++i) {
    RC_ASSERT(boxes[i].x > area.x - 1e-9 && boxes[i].y > area.y - 1e-9);
    RC_ASSERT(boxes[i].x + boxes[i].width < area.x + area.width + 1e-9);
    RC_ASSERT(boxes[i].y + boxes[i].height < area.y + area.height + 1e-9);
    for (size_t j = 0; j < i; ++j) RC_ASSERT(!boxes[i].Meets(boxes[j]));
  }
}

TEST(Plot, DrawsWhatItIsGiven) {
  Plot plot = OneSeries({At(1, 2, "first"), At(10, 3), At(100, 1, "last & <best>")});
  plot.series[0].markers = true;
  plot.series[0].points[0].y_low = 1.5;
  plot.series[0].points[0].y_high = 2.5;
  plot.log_x = true;
  plot.title = "Title of \"it\"";
  plot.x_label = "time, ms";
  plot.y_label = "quality";
  plot.series.push_back({"frontier", {At(1, 2), At(10, 3)}, true, false, true});
  const std::string svg = PlotSvg(plot);
  EXPECT_TRUE(WellFormed(svg)) << svg;
  EXPECT_EQ(Count(svg, "<circle"), 4);    // three dots and the legend's
  EXPECT_EQ(Count(svg, "<polyline"), 4);  // two lines and the legend's
  EXPECT_EQ(Count(svg, "stroke-dasharray"), 2);
  for (const char* text : {">first<", ">last &amp; &lt;best&gt;<", "Title of &quot;it&quot;",
                           ">time, ms<", ">quality<", ">one<", ">frontier<", ">10<"}) {
    EXPECT_EQ(Count(svg, text), 1) << text;
  }
  EXPECT_EQ(svg, PlotSvg(plot));
}

TEST(Plot, WithoutDataSaysSo) {
  EXPECT_EQ(Count(PlotSvg(Plot()), "no data"), 1);
  const std::string svg = PlotSvg(OneSeries({At(kNoNumber, 1), At(1, INFINITY)}));
  EXPECT_TRUE(WellFormed(svg));
  EXPECT_EQ(Count(svg, "no data"), 1);
  EXPECT_EQ(Count(PlotSvg(OneSeries({At(1, 1)})), "no data"), 0);
}

TEST(Plot, ALongTitleGoesOverLines) {
  Plot plot = OneSeries({At(1, 1)});
  for (int i = 0; i < 30; ++i) plot.title += "words and ";
  EXPECT_GE(Count(PlotSvg(plot), "font-weight"), 3);
}

// A million steps of training: the file stays small, and the one spike stays in it.
TEST(Plot, ManyPointsAreThinnedButNotTheirSpikes) {
  std::vector<PlotPoint> points;
  for (int i = 0; i < 1000000; ++i) points.push_back(At(i, i == 777777 ? 50 : 1));
  Plot plot = OneSeries(std::move(points));
  plot.series[0].name.clear();
  const std::string svg = PlotSvg(plot);
  EXPECT_LT(svg.size(), 40000u);
  const size_t begin = svg.find("points=\"") + 8;
  const std::string path = svg.substr(begin, svg.find('"', begin) - begin);
  double highest = 1e9;
  for (size_t at = path.find(','); at != path.npos; at = path.find(',', at + 1)) {
    highest = std::min(highest, std::stod(path.substr(at + 1)));
  }
  EXPECT_LT(highest, 80);  // pixels from the top: the spike
}

TEST(Plot, EscapesWhatXmlForbids) {
  EXPECT_EQ(EscapeXml("a<b> & \"c\" 'd'\n"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;\n");
  EXPECT_EQ(EscapeXml(std::string("\0\x1b\xff", 3)), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(EscapeXml("\uffff\u00e9"), "\ufffd\u00e9");
}

RC_GTEST_PROP(Plot, AnyPlotIsWellFormed, (bool log_x, bool log_y, std::string text)) {
  Plot plot;
  plot.log_x = log_x;
  plot.log_y = log_y;
  plot.title = plot.x_label = plot.y_label = text;
  const int series = *rc::gen::inRange(0, 4);
  for (int s = 0; s < series; ++s) {
    PlotSeries one;
    one.name = text;
    one.markers = *rc::gen::arbitrary<bool>();
    for (const double x : *rc::gen::arbitrary<std::vector<double>>()) {
      PlotPoint point = At(x, *rc::gen::arbitrary<double>(), text);
      point.y_low = *rc::gen::element(kNoNumber, -1.0, 1e300);
      point.y_high = *rc::gen::element(kNoNumber, 1.0, 0.0);
      one.points.push_back(point);
    }
    plot.series.push_back(one);
  }
  RC_ASSERT(WellFormed(PlotSvg(plot)));
}

TEST(Plot, WritesAFile) {
  const testing::TempDir dir;
  const Plot plot = OneSeries({At(1, 1), At(2, 3)});
  ASSERT_TRUE(WriteCurveSvg(FileSystem::Posix(), dir / "curve.svg", plot).ok());
  const auto text = ReadWholeFile(FileSystem::Posix(), dir / "curve.svg", 1 << 20);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, PlotSvg(plot));
  EXPECT_FALSE(WriteCurveSvg(FileSystem::Posix(), dir / "no/such/curve.svg", plot).ok());
}

}  // namespace
}  // namespace kvlink::chart

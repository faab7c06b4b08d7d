// Labels of points (chart/plot_labels.h): one after the other takes the cheapest of many places
// around its point; the crowded ones choose last places first, so points with the nearest
// neighbours go first.
#include "chart/plot_labels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

namespace kvlink::chart {
namespace {

constexpr int kAngles = 24;
constexpr double kStep = 6;
constexpr size_t kMostSearched = 60;  // beyond so many labels no place is free anyway
// What a place costs, beside about an eighth of its distance.
constexpr double kOnLine = 3;
constexpr double kOnMarker = 300;
constexpr double kOnLabel = 1000;
constexpr double kOutside = 300;  // a pixel
constexpr double kMarker = 11;    // a point's own square, a little more than its dot

PlotBox MarkerBox(const LabelWish& wish) {
  return {wish.x - kMarker / 2, wish.y - kMarker / 2, kMarker, kMarker};
}

// The label on a ring around the point: its nearest side or corner touches the ring.
PlotBox Around(const LabelWish& wish, double angle, double radius) {
  const double dx = std::cos(angle), dy = std::sin(angle);
  const double x = wish.x + dx * radius + (dx - 1) * wish.width / 2;
  const double y = wish.y + dy * radius + (dy - 1) * wish.height / 2;
  return {x, y, wish.width, wish.height};
}

double Outside(const PlotBox& box, const PlotBox& area) {
  return std::max({0.0, area.x - box.x, box.x + box.width - area.x - area.width}) +
         std::max({0.0, area.y - box.y, box.y + box.height - area.y - area.height});
}

}  // namespace

std::vector<PlotBox> PlaceLabels(const std::vector<LabelWish>& wishes, const PlotBox& area,
                                 const std::vector<PlotBox>& avoid) {
  const double pi = std::acos(-1.0);
  std::vector<double> crowd(wishes.size());
  for (size_t i = 0; i < wishes.size(); ++i) {
    for (size_t j = 0; j < wishes.size(); ++j) {
      if (i == j) continue;
      const double distance = std::hypot(wishes[i].x - wishes[j].x, wishes[i].y - wishes[j].y);
      crowd[i] += 1 / (20 + distance);
    }
  }
  std::vector<size_t> order(wishes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return crowd[a] > crowd[b]; });

  std::vector<PlotBox> boxes(wishes.size());
  std::vector<PlotBox> placed;
  for (const size_t i : order) {
    const LabelWish& wish = wishes[i];
    double best = std::numeric_limits<double>::infinity();
    const auto consider = [&](const PlotBox& box, double distance) {
      double cost = distance + kOutside * Outside(box, area);
      for (const PlotBox& other : placed) cost += box.Meets(other) ? kOnLabel : 0;
      for (const LabelWish& other : wishes) cost += box.Meets(MarkerBox(other)) ? kOnMarker : 0;
      for (const PlotBox& other : avoid) cost += box.Meets(other) ? kOnLine : 0;
      if (cost < best) {
        best = cost;
        boxes[i] = box;
      }
    };
    for (const double radius : {10.0, 14.0, 20.0, 28.0, 38.0, 50.0, 66.0, 86.0, 110.0, 140.0}) {
      for (int a = 0; a < kAngles; ++a) {
        const double angle = 2 * pi * a / kAngles;
        // To the right reads best; straight above and below, next.
        consider(Around(wish, angle, radius), radius / 8 + (1 - std::cos(angle)) * 0.3);
      }
    }
    if (best >= kOnMarker && wishes.size() <= kMostSearched) {
      // A crowd in a corner: anywhere, the nearer the better.
      for (double y = area.y; y + wish.height <= area.y + area.height; y += kStep) {
        for (double x = area.x; x + wish.width <= area.x + area.width; x += kStep) {
          const PlotBox box{x, y, wish.width, wish.height};
          consider(box, std::hypot(x + wish.width / 2 - wish.x, y + wish.height / 2 - wish.y) / 8);
        }
      }
    }
    placed.push_back(boxes[i]);
  }
  return boxes;
}

}  // namespace kvlink::chart

// Where labels of points stand, so that they cover neither each other nor the points. Pure; all in
// pixels, y downwards.
#pragma once

#include <vector>

namespace kvlink::chart {

struct PlotBox {
  double x = 0;  // of the left upper corner
  double y = 0;
  double width = 0;
  double height = 0;

  bool Meets(const PlotBox& other) const {
    return x < other.x + other.width && other.x < x + width && y < other.y + other.height &&
           other.y < y + height;
  }
};

struct LabelWish {
  double x = 0;  // the point
  double y = 0;
  double width = 0;  // of the text
  double height = 0;
};

// A box for each wish, in order: inside `area`, near its point. `avoid` holds what a label had
// better not cover (bars, lines), which it may where there is no other room.
std::vector<PlotBox> PlaceLabels(const std::vector<LabelWish>& wishes, const PlotBox& area,
                                 const std::vector<PlotBox>& avoid);

}  // namespace kvlink::chart

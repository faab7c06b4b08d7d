// Intervals of means over examples by the percentile bootstrap (Efron 1979): resample the examples
// with replacement, take the mean of each resample, and the middle 95 % of those. Pure, and the
// same on every machine for a seed.
#pragma once

#include <cstdint>
#include <span>

namespace kvlink::eval {

// A mean and its interval. NaN where nothing was measured.
struct Estimate {
  double value;
  double low;
  double high;

  Estimate();                   // nothing measured
  explicit Estimate(double v);  // without an interval
  Estimate(double v, double l, double h) : value(v), low(l), high(h) {}
  bool measured() const { return value == value; }
  bool has_interval() const { return low == low && high == high; }
};

struct BootstrapOptions {
  int32_t resamples = 2000;
  double coverage = 0.95;  // in (0, 1)
  uint64_t seed = 1;
};

// No values: nothing measured. One value: an interval of no width.
Estimate MeanWithInterval(std::span<const double> values, const BootstrapOptions& options = {});

// The mean of b[i] - a[i], where both were measured on the same example i: what two methods share
// from an example being hard cancels. REQUIRES: a.size() == b.size()
Estimate PairedDifference(std::span<const double> a, std::span<const double> b,
                          const BootstrapOptions& options = {});

}  // namespace kvlink::eval

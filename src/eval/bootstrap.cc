// The percentile bootstrap (eval/bootstrap.h).
#include "eval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "base/check.h"
#include "base/random.h"

namespace kvlink::eval {
namespace {

// The q-quantile of sorted values, linear between two of them.
double Quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(at));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - std::floor(at)) * (sorted[above] - sorted[below]);
}

double Mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

Estimate::Estimate() : value(std::numeric_limits<double>::quiet_NaN()), low(value), high(value) {}

Estimate::Estimate(double v) : Estimate() { value = v; }

Estimate MeanWithInterval(std::span<const double> values, const BootstrapOptions& options) {
  if (values.empty()) return {};
  const double mean = Mean(values);
  if (options.resamples < 1) return Estimate(mean);
  Random random(options.seed);
  std::vector<double> means(static_cast<size_t>(options.resamples));
  for (double& resampled : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[random.Below(values.size())];
    resampled = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  const double tail = (1 - options.coverage) / 2;
  return {mean, Quantile(means, tail), Quantile(means, 1 - tail)};
}

Estimate PairedDifference(std::span<const double> a, std::span<const double> b,
                          const BootstrapOptions& options) {
  KVLINK_CHECK(a.size() == b.size());
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = b[i] - a[i];
  return MeanWithInterval(differences, options);
}

}  // namespace kvlink::eval

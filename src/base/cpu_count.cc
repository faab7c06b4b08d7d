#include "base/cpu_count.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

namespace kvlink {
namespace {

std::string FirstLine(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::optional<double> Number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<double>(value);
}

// Comma-separated `list` holds `word`.
bool Has(const std::string& list, std::string_view word) {
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ',');) {
    if (item == word) return true;
  }
  return false;
}

// Where a hierarchy is mounted, and which of its groups stands there.
struct Mount {
  std::string root, place;
};

// proc(5), mountinfo: id parent device root place options [tags] - type source super-options.
std::optional<Mount> FindMount(const std::string& root, bool version_2) {
  std::ifstream in(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word, type, source, super;
    Mount mount;
    for (int i = 0; i < 3; ++i) words >> word;
    words >> mount.root >> mount.place;
    while (words >> word && word != "-") {
    }
    words >> type >> source >> super;
    if (version_2 ? type == "cgroup2" : type == "cgroup" && Has(super, "cpu")) return mount;
  }
  return std::nullopt;
}

// The quota that one group's folder sets, in processors.
std::optional<double> QuotaOf(const std::string& folder, bool version_2) {
  std::optional<double> quota, period;
  if (version_2) {  // "max 100000" or "50000 100000"
    std::istringstream words(FirstLine(folder + "/cpu.max"));
    std::string first, second;
    words >> first >> second;
    quota = Number(first);
    period = Number(second);
  } else {
    quota = Number(FirstLine(folder + "/cpu.cfs_quota_us"));
    period = Number(FirstLine(folder + "/cpu.cfs_period_us"));
  }
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return *quota / *period;
}

}  // namespace

double ProcessorQuota(const std::string& root) {
  double least = 0;
  std::ifstream in(root + "/proc/self/cgroup");
  // cgroups(7): hierarchy:controllers:path; version 2 has none of the controllers.
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version_2 = controllers.empty();
    if (!version_2 && !Has(controllers, "cpu")) continue;
    const std::optional<Mount> mount = FindMount(root, version_2);
    if (!mount) continue;
    std::string group = line.substr(second + 1);
    // In a container the mount may show a part of the hierarchy, whose top is this process's group.
    const std::string& top = mount->root;
    if (top != "/") {
      const bool inside =
          group.starts_with(top) && (group.size() == top.size() || group[top.size()] == '/');
      group = inside ? group.substr(top.size()) : "";
    }
    // A group may not use more than those above it.
    while (true) {
      while (group.ends_with('/')) group.pop_back();
      const std::optional<double> quota = QuotaOf(root + mount->place + group, version_2);
      if (quota && (least == 0 || *quota < least)) least = *quota;
      const size_t slash = group.rfind('/');
      if (slash == std::string::npos) break;
      group.resize(slash);
    }
  }
  return least;
}

int32_t UsableProcessors(const std::string& root) {
  int64_t count = 0;
  // A machine may have more processors than one cpu_set_t has bits.
  for (size_t processors = 1024; count == 0 && processors <= (1 << 20); processors *= 2) {
    std::vector<cpu_set_t> set(processors / CPU_SETSIZE);
    const size_t bytes = set.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, set.data()) == 0) count = CPU_COUNT_S(bytes, set.data());
  }
  if (count == 0) count = sysconf(_SC_NPROCESSORS_ONLN);
  count = std::max<int64_t>(count, 1);
  const double quota = ProcessorQuota(root);
  if (quota > 0 && quota < static_cast<double>(count)) {
    count = static_cast<int64_t>(std::max(1.0, std::ceil(quota - 1e-6)));
  }
  return static_cast<int32_t>(count);
}

ThreadChoice ChooseThreads(int32_t asked, int32_t usable) {
  if (asked <= 0) return {usable, ""};
  if (asked <= usable) return {asked, ""};
  return {usable, std::to_string(asked) + " threads were asked for and " + std::to_string(usable) +
                      (usable == 1 ? " processor" : " processors") +
                      " may be used here: computing with " + std::to_string(usable)};
}

}  // namespace kvlink

// Processors that may be used, from made-up /proc and /sys of both versions of control groups.
#include "base/cpu_count.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>

#include "support/tiny_model.h"

namespace kvlink {
namespace {

class CpuCount : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = root_.path() + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  void MountVersion1(const std::string& top) {
    Write("/proc/self/mountinfo",
          "24 1 0:22 / /proc rw - proc proc rw\n"
          "31 24 0:27 " +
              top +
              " /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup "
              "rw,cpu,cpuacct\n"
              "32 24 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
  }
  void MountVersion2(const std::string& top) {
    Write("/proc/self/mountinfo",
          "30 24 0:26 " + top + " /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void Version1(const std::string& group, int64_t quota, int64_t period) {
    const std::string folder = "/sys/fs/cgroup/cpu,cpuacct" + group;
    Write(folder + "/cpu.cfs_quota_us", std::to_string(quota) + "\n");
    Write(folder + "/cpu.cfs_period_us", std::to_string(period) + "\n");
  }
  double Quota() const { return ProcessorQuota(root_.path()); }

  testing::TempDir root_;
};

TEST_F(CpuCount, NoControlGroupsSetNothing) {
  EXPECT_EQ(Quota(), 0);
  EXPECT_GE(UsableProcessors(root_.path()), 1);
}

TEST_F(CpuCount, ReadsVersion1) {
  MountVersion1("/");
  Write("/proc/self/cgroup", "12:cpuset:/other\n4:cpu,cpuacct:/a/b\n0::/\n");
  Version1("/a/b", 50000, 100000);
  EXPECT_EQ(Quota(), 0.5);
  EXPECT_EQ(UsableProcessors(root_.path()), 1);
  Version1("/a/b", -1, 100000);
  EXPECT_EQ(Quota(), 0);
}

TEST_F(CpuCount, ReadsVersion2) {
  MountVersion2("/");
  Write("/proc/self/cgroup", "0::/user.slice/kv\n");
  Write("/sys/fs/cgroup/user.slice/kv/cpu.max", "25000 50000\n");
  EXPECT_EQ(Quota(), 0.5);
  Write("/sys/fs/cgroup/user.slice/kv/cpu.max", "max 100000\n");
  EXPECT_EQ(Quota(), 0);
}

TEST_F(CpuCount, TheLeastOfAllGroupsAboveCounts) {
  MountVersion2("/");
  Write("/proc/self/cgroup", "0::/a/b/c\n");
  Write("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
  Write("/sys/fs/cgroup/a/cpu.max", "70000 100000\n");
  EXPECT_EQ(Quota(), 0.7);
  MountVersion1("/");
  Write("/proc/self/cgroup", "4:cpu,cpuacct:/a/b/c\n");
  Version1("/a/b/c", 300000, 100000);
  Version1("", 20000, 100000);
  EXPECT_EQ(Quota(), 0.2);
}

TEST_F(CpuCount, AContainerSeesAPartOfTheHierarchy) {
  MountVersion1("/docker/12ab");
  Write("/proc/self/cgroup", "4:cpu,cpuacct:/docker/12ab\n");
  Version1("", 150000, 100000);
  EXPECT_EQ(Quota(), 1.5);
  Write("/proc/self/cgroup", "4:cpu,cpuacct:/docker/12ab/inner\n");
  Version1("/inner", 30000, 100000);
  EXPECT_EQ(Quota(), 0.3);
  Write("/proc/self/cgroup", "4:cpu,cpuacct:/docker/12abc\n");  // another, not seen from here
  EXPECT_EQ(Quota(), 1.5);
}

TEST_F(CpuCount, NonsenseSetsNothing) {
  MountVersion2("/");
  Write("/proc/self/cgroup", "0::/a\n:\nx\n");
  for (const char* text : {"", "max", "50000", "50000 0", "-1 100000", "x y", "1e999 1"}) {
    Write("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(Quota(), 0) << text;
  }
}

TEST_F(CpuCount, AffinityCounts) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(UsableProcessors(root_.path()), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(UsableProcessors(root_.path()), CPU_COUNT(&before));
}

TEST(ChooseThreads, CutsWhatIsMoreThanThereIs) {
  EXPECT_EQ(ChooseThreads(0, 3).threads, 3);
  EXPECT_EQ(ChooseThreads(-5, 3).threads, 3);
  EXPECT_EQ(ChooseThreads(2, 3).threads, 2);
  EXPECT_TRUE(ChooseThreads(3, 3).warning.empty());
  const ThreadChoice cut = ChooseThreads(1000, 2);
  EXPECT_EQ(cut.threads, 2);
  EXPECT_EQ(cut.warning,
            "1000 threads were asked for and 2 processors may be used here: computing with 2");
}

}  // namespace
}  // namespace kvlink

// The team a pass is computed with, in every environment that gives fewer threads than are asked
// for: what is settled holds inside, and the caller's settings stand again behind it.
#include "tensor/thread_team.h"

#include <gtest/gtest.h>
#include <omp.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/linear.h"

namespace kvlink::tensor {
namespace {

int Team() {
  int members = 0;
#pragma omp parallel reduction(+ : members)
  members = 1;
  return members;
}

// Runs `body` in a program of its own, started with these settings: libgomp reads them once.
// The test program starts itself, so that no thread of this one is needed there.
int RunWith(const char* name, const char* value, const char* test) {
  const pid_t child = fork();
  if (child == 0) {
    setenv(name, value, 1);
    setenv("KVLINK_TEAM_TEST", "1", 1);
    const std::string filter = std::string("--gtest_filter=") + test;
    execl("/proc/self/exe", "tensor_test", filter.c_str(), "--gtest_also_run_disabled_tests",
          static_cast<char*>(nullptr));
    _exit(126);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

constexpr int64_t kK = 96, kN = 320, kRows = 160;

// Of numbers whose products and sums are exact.
bool MultipliesRight(DType dtype, int threads) {
  const TeamScope team(threads);
  if (!team.status().ok()) return false;
  Result<Linear> linear = Linear::Create(kK, kN, dtype, [](int64_t begin, int64_t end, float* out) {
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t k = 0; k < kK; ++k) *out++ = static_cast<float>((n * 7 + k * 3) % 5 - 2);
    }
  });
  if (!linear.ok()) return false;
  std::vector<float> x(kRows * kK), y(kRows * kN, std::nanf(""));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
  std::vector<std::byte> input(x.size() * SizeOf(dtype));
  ConvertTo(x.data(), static_cast<int64_t>(x.size()), dtype, input.data());
  if (!linear->Run(input.data(), kRows, y.data()).ok()) return false;
  for (int64_t t = 0; t < kRows; ++t) {
    for (int64_t n = 0; n < kN; ++n) {
      float sum = 0;
      for (int64_t k = 0; k < kK; ++k) {
        sum += x[t * kK + k] * static_cast<float>((n * 7 + k * 3) % 5 - 2);
      }
      if (sum != y[t * kN + n]) return false;
    }
  }
  return true;
}

bool AllRight(int threads) {
  return MultipliesRight(DType::kF32, threads) &&
         MultipliesRight(MatmulDType(DType::kBF16), threads);
}

// What the programs below run, under settings that they were started with.
TEST(TeamUnderSettings, DISABLED_ComputesRight) {
  const int had = omp_get_max_threads(), dynamic = omp_get_dynamic();
  const int levels = omp_get_max_active_levels();
  EXPECT_TRUE(AllRight(4));
  {
    const TeamScope team(4);
    EXPECT_EQ(Team(), team.threads());
    EXPECT_EQ(omp_get_max_threads(), team.threads());
  }
  EXPECT_EQ(omp_get_max_threads(), had);
  EXPECT_EQ(omp_get_dynamic(), dynamic);
  EXPECT_EQ(omp_get_max_active_levels(), levels);
}

TEST(TeamUnderSettings, DISABLED_RefusesSmallStacks) {
  const TeamScope team(2);
  EXPECT_EQ(team.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(team.status().message().find("OMP_STACKSIZE"), std::string::npos);
}

TEST(TeamUnderSettings, DISABLED_TakesWhatThreadsThereAre) {
  const TeamScope team(4);
  EXPECT_EQ(team.threads(), 1);
  EXPECT_TRUE(AllRight(4));
}

TEST(ThreadTeam, ComputesRightUnderEverySetting) {
  const char* test = "TeamUnderSettings.DISABLED_ComputesRight";
  for (const auto& [name, value] :
       std::vector<std::pair<const char*, const char*>>{{"OMP_THREAD_LIMIT", "1"},
                                                        {"OMP_THREAD_LIMIT", "3"},
                                                        {"OMP_DYNAMIC", "true"},
                                                        {"OMP_MAX_ACTIVE_LEVELS", "0"},
                                                        {"OMP_MAX_ACTIVE_LEVELS", "3"},
                                                        {"OMP_NESTED", "true"},
                                                        {"OMP_NUM_THREADS", "1"},
                                                        {"OMP_PROC_BIND", "true"},
                                                        {"GOMP_CPU_AFFINITY", "0"},
                                                        {"OMP_WAIT_POLICY", "active"},
                                                        {"ONEDNN_DEFAULT_FPMATH_MODE", "BF16"},
                                                        {"ONEDNN_MAX_CPU_ISA", "AVX2"},
                                                        {"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0"}}) {
    EXPECT_EQ(RunWith(name, value, test), 0) << name << "=" << value;
  }
}

TEST(ThreadTeam, StacksTooSmallAreRefusedAndTooLargeOnesDoneWithout) {
  EXPECT_EQ(RunWith("OMP_STACKSIZE", "64k", "TeamUnderSettings.DISABLED_RefusesSmallStacks"), 0);
  EXPECT_EQ(
      RunWith("OMP_STACKSIZE", "900000G", "TeamUnderSettings.DISABLED_TakesWhatThreadsThereAre"),
      0);
}

TEST(ThreadTeam, InTheCallersRegionATeamOfOne) {
  omp_set_max_active_levels(4);
  bool right = true;
  int teams[2] = {0, 0};
#pragma omp parallel num_threads(2) reduction(&& : right)
  {
    right = AllRight(4);
    const TeamScope team(4);
    teams[omp_get_thread_num()] = team.threads();
  }
  omp_set_max_active_levels(1);
  EXPECT_TRUE(right);
  EXPECT_EQ(teams[0], 1);
}

TEST(ThreadTeam, FromThreadsOfOthers) {
  std::vector<std::thread> callers;
  std::vector<char> right(3, 0);
  for (size_t i = 0; i < right.size(); ++i) {
    callers.emplace_back([&right, i] { right[i] = AllRight(static_cast<int>(i) + 1) ? 1 : 0; });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(right, std::vector<char>(3, 1));
}

TEST(ThreadTeam, AnInnerScopeChangesNothing) {
  const TeamScope outer(2);
  {
    const TeamScope inner(7);
    EXPECT_EQ(inner.threads(), outer.threads());
  }
  EXPECT_EQ(omp_get_max_threads(), outer.threads());
}

TEST(ThreadTeam, AForkOfAProcessWithAPoolComputesAlone) {
  ASSERT_TRUE(AllRight(3));  // the pool's threads are there
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    bool right = PoolDiedInFork() && AllRight(3);
    // A thread of the child's own has a pool of its own.
    std::thread([&right] { right = right && !PoolDiedInFork() && AllRight(3); }).join();
    _exit(right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// Programs linked with -ffast-math let small numbers be zero for all threads that they start.
TEST(ThreadTeam, RoundsAsEverywhereAndGivesTheCallersModeBack) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040 | 0x2000);  // flush to zero, denormals are zero, round down
  {
    const TeamScope team(2);
    bool plain = true;
#pragma omp parallel reduction(&& : plain)
    plain = (_mm_getcsr() & 0xe040) == 0;
    EXPECT_TRUE(plain);
  }
  EXPECT_EQ(_mm_getcsr() & 0xe040, 0xa040u);
  _mm_setcsr(before);
}

// libgomp ends the threads that a smaller team leaves out; those that come after them have never
// seen the scope open, and must not be left with every exception trapping.
TEST(ThreadTeam, ThreadsThatCameLaterGetAModeTooThatTrapsNothing) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);
  int trapping = 0;
  {
    const TeamScope team(4);
    ASSERT_EQ(team.threads(), 4);
#pragma omp parallel num_threads(2)
    static_cast<void>(omp_get_thread_num());
#pragma omp parallel num_threads(4)
    static_cast<void>(omp_get_thread_num());
  }
#pragma omp parallel num_threads(4) reduction(+ : trapping)
  trapping = (_mm_getcsr() & 0x1f80) != 0x1f80 ? 1 : 0;
  EXPECT_EQ(trapping, 0);
  _mm_setcsr(before);
}

// A pass must not cost new threads: as many stay as the scope found.
TEST(ThreadTeam, ThreadsStayFromProductToProduct) {
  const auto linear = [](int64_t k, int64_t n) {
    return *Linear::Create(k, n, DType::kF32, [k](int64_t begin, int64_t end, float* out) {
      std::fill_n(out, (end - begin) * k, 1.0f);
    });
  };
  const TeamScope team(8);
  ASSERT_EQ(team.threads(), 8);
  Linear narrow = linear(64, 16), wide = linear(64, 640);
  const auto ids = [] {
    std::vector<pthread_t> of(8);
#pragma omp parallel
    of[static_cast<size_t>(omp_get_thread_num())] = pthread_self();
    return of;
  };
  const std::vector<pthread_t> first = ids();
  std::vector<float> x(64 * 200, 1.0f), y(640 * 200);
  for (const int64_t rows : {17, 48, 64, 100, 200}) {
    ASSERT_TRUE(narrow.Run(x.data(), rows, y.data()).ok());
    EXPECT_EQ(y[static_cast<size_t>(rows) * 16 - 1], 64.0f);
    ASSERT_TRUE(wide.Run(x.data(), rows, y.data()).ok());
    EXPECT_EQ(y[static_cast<size_t>(rows) * 640 - 1], 64.0f);
    EXPECT_EQ(ids(), first) << rows;
  }
}

}  // namespace
}  // namespace kvlink::tensor

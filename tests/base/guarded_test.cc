// Exceptions become statuses, exit statuses, or leave a parallel region behind it; never more.
#include "base/guarded.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace kvlink {
namespace {

Result<int> Throwing(int what) {
  return Guarded("no memory for this", [&]() -> Result<int> {
    switch (what) {
      case 0:
        throw std::bad_alloc();
      case 1:
        std::vector<int>().reserve(~size_t{0});  // std::length_error
        return 1;
      case 2:
        throw std::out_of_range("an index");
      case 3:
        throw 7;  // NOLINT: no std::exception
      default:
        return what;
    }
  });
}

TEST(Guarded, WhatIsThrownIsAStatus) {
  for (const int what : {0, 1}) {
    EXPECT_EQ(Throwing(what).code(), StatusCode::kResourceExhausted);
    EXPECT_EQ(Throwing(what).status().message(), "no memory for this");
  }
  EXPECT_EQ(Throwing(2).code(), StatusCode::kInternal);
  EXPECT_NE(Throwing(2).status().message().find("an index"), std::string::npos);
  EXPECT_EQ(Throwing(3).code(), StatusCode::kInternal);
  EXPECT_EQ(*Throwing(4), 4);
}

TEST(GuardedMain, WhatIsThrownIsOneLineAndOne) {
  for (const int what : {0, 1, 2, 3}) {
    ::testing::internal::CaptureStderr();
    const int status = GuardedMain("kvlink", [&] {
      if (what == 0) throw std::bad_alloc();
      if (what == 1) throw std::length_error("x");
      if (what == 2) throw std::runtime_error("x");
      throw 7;  // NOLINT: no std::exception
      return 0;
    });
    EXPECT_EQ(status, 1);
    const std::string said = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(said.starts_with("kvlink: ")) << said;
    EXPECT_EQ(said.find('\n'), said.size() - 1) << said;
  }
  EXPECT_EQ(GuardedMain("kvlink", [] { return 130; }), 130);
}

TEST(ParallelGuard, TheFirstExceptionComesOutBehindTheRegion) {
  ParallelGuard guard;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&guard, i] {
      guard.Run([i] {
        if (i % 2 == 1) throw std::bad_alloc();
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THROW(guard.Rethrow(), std::bad_alloc);
  bool ran = false;
  guard.Run([&] { ran = true; });
  EXPECT_FALSE(ran);  // what failed is not gone on with

  ParallelGuard fine;
  fine.Run([&] { ran = true; });
  fine.Rethrow();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace kvlink

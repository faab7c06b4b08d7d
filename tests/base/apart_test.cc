#include "base/apart.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace kvlink {
namespace {

TEST(RunApart, GivesBackWhatWorkReturns) {
  const std::string bytes(3'000'000, '\0');
  const auto result = RunApart({}, [&]() -> Result<std::string> { return bytes; });
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(*result, bytes);
  const auto failed = RunApart({}, []() -> Result<std::string> { return NotFound("no such"); });
  EXPECT_EQ(failed.code(), StatusCode::kNotFound);
  EXPECT_EQ(failed.status().message(), "no such");
}

TEST(RunApart, ChangesNothingHere) {
  int value = 1;
  ASSERT_TRUE(RunApart({}, [&]() -> Result<std::string> {
                value = 2;
                return std::string();
              }).ok());
  EXPECT_EQ(value, 1);
}

TEST(RunApart, AProcessThatEndsEarlyIsAnError) {
  const auto aborted = RunApart({}, []() -> Result<std::string> { std::abort(); });
  EXPECT_EQ(aborted.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(aborted.status().message().find("signal 6"), std::string::npos);
  const auto left = RunApart({}, []() -> Result<std::string> { std::_Exit(0); });
  EXPECT_EQ(left.code(), StatusCode::kInvalidArgument);
}

TEST(RunApart, BoundsMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator does not come back from an address space that ends";
#endif
  const auto result = RunApart({.memory_bytes = 64 << 20}, []() -> Result<std::string> {
    std::vector<std::string> all;
    for (int i = 0; i < 4096; ++i) all.emplace_back(1 << 20, 'x');
    return all.back();
  });
  EXPECT_FALSE(result.ok());
}

TEST(RunApart, BoundsTime) {
  const auto result = RunApart({.cpu_s = 1}, []() -> Result<std::string> {
    std::string grown = "x";
    for (;;) grown.back() = static_cast<char>(grown.back() + 1);
    return grown;
  });
  EXPECT_EQ(result.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(result.status().message().find("more than 1 s"), std::string::npos);
}

}  // namespace
}  // namespace kvlink

// Status, Result and their macros.
#include "kvlink/status.h"

#include <gtest/gtest.h>

#include <memory>

namespace kvlink {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return InvalidArgument("odd: " + std::to_string(n));
  return n / 2;
}

Result<int> Quarter(int n) {
  KVLINK_ASSIGN_OR_RETURN(const int half, Half(n));
  KVLINK_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status Check(int n) {
  KVLINK_RETURN_IF_ERROR(Quarter(n).status());
  return {};
}

TEST(Status, IsOkByDefault) {
  EXPECT_TRUE(Status().ok());
  EXPECT_FALSE(NotFound("x").ok());
  EXPECT_EQ(NotFound("x").message(), "x");
}

TEST(Result, HoldsAValueOrAStatus) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(12).code(), StatusCode::kOk);
  EXPECT_EQ(Quarter(6).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Quarter(6).status().message(), "odd: 3");
  EXPECT_TRUE(Check(8).ok());
  EXPECT_EQ(Check(7).message(), "odd: 7");
}

TEST(Result, MovesItsValueOut) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 5);
}

}  // namespace
}  // namespace kvlink

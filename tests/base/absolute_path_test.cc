#include "base/absolute_path.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/tiny_model.h"

namespace kvlink {
namespace {

namespace fs = std::filesystem;

TEST(AbsolutePath, TakesDotDotAsTheSystemDoes) {
  const testing::TempDir dir;
  const std::string root = fs::canonical(dir.path()).string();
  fs::create_directories(root + "/real/sub");
  fs::create_directory_symlink("real/sub", root + "/link");
  EXPECT_EQ(AbsolutePath(root + "/link/../x.txt"), root + "/real/x.txt");
  EXPECT_EQ(AbsolutePath(root + "/link/x.txt"), root + "/link/x.txt");  // the link keeps its name
  EXPECT_EQ(AbsolutePath(root + "/real/sub/../../a/./b//"), root + "/a/b");
  EXPECT_EQ(AbsolutePath(root + "/real/.."), root);
  // Not there: opening it fails as it should.
  EXPECT_EQ(AbsolutePath(root + "/none/../x.txt"), root + "/none/../x.txt");
}

TEST(AbsolutePath, NormalisesTheRest) {
  EXPECT_EQ(AbsolutePath("/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(AbsolutePath("/"), "/");
  EXPECT_EQ(AbsolutePath("/.."), "/");
  EXPECT_EQ(AbsolutePath("x"), (fs::current_path() / "x").string());
  EXPECT_EQ(AbsolutePath("."), fs::current_path().string());
}

}  // namespace
}  // namespace kvlink

#include "base/sqlite.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "support/tiny_model.h"

namespace kvlink {
namespace {

using testing::TempDir;

class SqliteTest : public ::testing::Test {
 protected:
  Database OpenOrDie(DatabaseMode mode = DatabaseMode::kCreate, int timeout_ms = 50) {
    auto db = Database::Open(path_, mode, timeout_ms);
    EXPECT_TRUE(db.ok()) << db.status().message();
    return *std::move(db);
  }
  TempDir dir_;
  std::string path_ = dir_ / "a b%20c?.sqlite";
};

TEST_F(SqliteTest, BindsAndReadsEachType) {
  Database db = OpenOrDie();
  ASSERT_TRUE(db.Exec("CREATE TABLE t(i, r, s, b, n)").ok());
  const std::string_view bytes("a\0b", 3);
  auto insert = db.Prepare("INSERT INTO t VALUES(?, ?, ?, ?, ?)");
  ASSERT_TRUE(insert.ok());
  insert->Bind(1, int64_t{1} << 60).Bind(2, 0.5).BindText(3, bytes).BindBlob(4, {}).BindNull(5);
  ASSERT_TRUE(insert->Run().ok());
  EXPECT_EQ(db.changes(), 1);
  auto query = db.Prepare("SELECT * FROM t");
  ASSERT_TRUE(*query->Step());
  EXPECT_EQ(query->Int(0), int64_t{1} << 60);
  EXPECT_EQ(query->Real(1), 0.5);
  EXPECT_EQ(query->Text(2), bytes);
  EXPECT_EQ(query->Blob(3), "");
  EXPECT_FALSE(query->IsNull(3));
  EXPECT_TRUE(query->IsNull(4));
  EXPECT_FALSE(*query->Step());
  EXPECT_TRUE(*query->Step());  // done means reset
}

TEST_F(SqliteTest, AWrongBindIsReportedOnce) {
  Database db = OpenOrDie();
  auto query = db.Prepare("SELECT ?");
  EXPECT_EQ(query->Bind(2, int64_t{1}).Step().code(), StatusCode::kInternal);
  EXPECT_TRUE(query->Step().ok());
}

TEST_F(SqliteTest, ATransactionWithoutCommitIsUndone) {
  Database db = OpenOrDie();
  ASSERT_TRUE(db.Exec("CREATE TABLE t(x)").ok());
  {
    auto transaction = Transaction::Begin(db);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(db.Exec("INSERT INTO t VALUES(1)").ok());
  }
  EXPECT_EQ(*db.QueryInt("SELECT count(*) FROM t"), 0);
  auto transaction = Transaction::Begin(db);
  ASSERT_TRUE(db.Exec("INSERT INTO t VALUES(1)").ok());
  ASSERT_TRUE(transaction->Commit().ok());
  EXPECT_EQ(*db.QueryInt("SELECT count(*) FROM t"), 1);
  EXPECT_EQ(db.QueryInt("SELECT x FROM t WHERE x = 5").code(), StatusCode::kInternal);
}

TEST_F(SqliteTest, ErrorsNameTheFileAndHaveTheirCode) {
  EXPECT_EQ(Database::Open(path_, DatabaseMode::kReadWrite).code(), StatusCode::kNotFound);
  EXPECT_EQ(Database::Open(path_, DatabaseMode::kReadOnly).code(), StatusCode::kNotFound);
  EXPECT_EQ(Database::Open("", DatabaseMode::kCreate).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Database::Open(dir_ / "no/such/folder", DatabaseMode::kCreate).code(),
            StatusCode::kUnavailable);

  Database db = OpenOrDie();
  ASSERT_TRUE(db.Exec("PRAGMA journal_mode=WAL; CREATE TABLE t(x)").ok());
  const Status syntax = db.Exec("SELEC");
  EXPECT_EQ(syntax.code(), StatusCode::kInternal);
  EXPECT_NE(syntax.message().find("a b%20c?.sqlite"), std::string::npos);

  Database other = OpenOrDie();
  auto held = Transaction::Begin(db);
  EXPECT_EQ(Transaction::Begin(other).code(), StatusCode::kUnavailable);
  ASSERT_TRUE(held->Commit().ok());

  Database reader = OpenOrDie(DatabaseMode::kReadOnly);
  EXPECT_EQ(reader.Exec("INSERT INTO t VALUES(1)").code(), StatusCode::kFailedPrecondition);

  std::ofstream(dir_ / "text") << std::string(2000, 'x');
  EXPECT_EQ(Database::Open(dir_ / "text", DatabaseMode::kCreate).code(), StatusCode::kDataLoss);
}

TEST_F(SqliteTest, ALinkIsRefusedAndNothingMadeBehindIt) {
  const std::string elsewhere = dir_ / "elsewhere";
  std::filesystem::create_symlink(elsewhere, path_);
  for (const bool there : {false, true}) {
    if (there) std::ofstream(elsewhere) << "";
    for (const DatabaseMode mode :
         {DatabaseMode::kReadOnly, DatabaseMode::kReadWrite, DatabaseMode::kCreate}) {
      const auto db = Database::Open(path_, mode);
      EXPECT_EQ(db.code(), StatusCode::kFailedPrecondition) << db.status().message();
      EXPECT_NE(db.status().message().find("a link"), std::string::npos) << db.status().message();
    }
    EXPECT_EQ(std::filesystem::exists(elsewhere), there);
  }
}

TEST_F(SqliteTest, AFullFileIsResourceExhaustedAndUndone) {
  Database db = OpenOrDie();
  ASSERT_TRUE(db.Exec("CREATE TABLE t(x); PRAGMA max_page_count=10").ok());
  auto transaction = Transaction::Begin(db);
  auto insert = db.Prepare("INSERT INTO t VALUES(zeroblob(3000))");
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = insert->Run();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("free some space"), std::string::npos);
  { const auto gone = *std::move(transaction); }
  EXPECT_EQ(*db.QueryInt("SELECT count(*) FROM t"), 0);
  EXPECT_TRUE(Transaction::Begin(db).ok());
}

TEST_F(SqliteTest, EnableWalWaitsForOthers) {
  Database db = OpenOrDie(DatabaseMode::kCreate, 5'000);
  ASSERT_TRUE(db.Exec("CREATE TABLE t(x)").ok());
  Database other = OpenOrDie();
  auto held = Transaction::Begin(other);
  ASSERT_TRUE(held.ok());
  std::thread releases([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_TRUE(held->Commit().ok());
  });
  EXPECT_TRUE(db.EnableWal().ok());
  releases.join();
  auto mode = db.Prepare("PRAGMA journal_mode");
  ASSERT_TRUE(*mode->Step());
  EXPECT_EQ(mode->Text(0), "wal");

  EXPECT_TRUE(OpenOrDie().EnableWal().ok());  // it is so already: nothing to wait for
}

TEST_F(SqliteTest, MovedHandlesWork) {
  Database db = OpenOrDie();
  ASSERT_TRUE(db.Exec("CREATE TABLE t(x); INSERT INTO t VALUES(5)").ok());
  auto prepared = db.Prepare("SELECT x FROM t");
  Statement query = *std::move(prepared);
  const Database moved = std::move(db);
  ASSERT_TRUE(*query.Step());
  EXPECT_EQ(query.Int(0), 5);
}

TEST_F(SqliteTest, AFileThatIsMadeIsItsOwnersAlone) {
  const mode_t before = umask(0);
  {
    Database db = OpenOrDie();
    ASSERT_TRUE(db.EnableWal().ok());
    ASSERT_TRUE(db.Exec("CREATE TABLE t(x)").ok());
    for (const char* ending : {"", "-wal", "-shm"}) {
      struct stat info {};
      ASSERT_EQ(stat((path_ + ending).c_str(), &info), 0) << ending;
      EXPECT_EQ(info.st_mode & 07777, 0600u) << ending;
    }
  }
  umask(before);
}

TEST_F(SqliteTest, WhatIsNoFileIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  for (const std::string& path : {dir_.path(), dir_ / "fifo"}) {
    for (const DatabaseMode mode : {DatabaseMode::kReadOnly, DatabaseMode::kCreate}) {
      const auto db = Database::Open(path, mode);
      EXPECT_EQ(db.code(), StatusCode::kFailedPrecondition) << db.status().message();
    }
  }
}

// On a full disk: what is there can be read, the log included, and removed.
TEST_F(SqliteTest, AFullDiskIsReadAndToldOf) {
  if (geteuid() != 0) GTEST_SKIP() << "skipped: only root may mount a small disk";
  const std::string disk = dir_ / "disk";
  ASSERT_EQ(mkdir(disk.c_str(), 0700), 0);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "skipped: no small disk may be mounted here";
  }
  const std::string path = disk + "/a.sqlite";
  {
    auto db = Database::Open(path, DatabaseMode::kCreate);
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(db->EnableWal().ok());
    ASSERT_TRUE(db->Exec("CREATE TABLE t(x); INSERT INTO t VALUES(1)").ok());
    // As a killed process leaves it: the log is there and not merged.
    std::filesystem::copy_file(path, disk + "/b.sqlite");
    std::filesystem::copy_file(path + "-wal", disk + "/b.sqlite-wal");
  }
  {
    std::ofstream fill(disk + "/fill");
    const std::string some(4096, 'x');
    while (fill.write(some.data(), static_cast<std::streamsize>(some.size())).flush()) {
    }
  }
  for (const DatabaseMode mode : {DatabaseMode::kReadOnly, DatabaseMode::kReadWrite}) {
    auto db = Database::Open(disk + "/b.sqlite", mode);
    ASSERT_TRUE(db.ok()) << db.status().message();
    EXPECT_EQ(*db->QueryInt("SELECT x FROM t"), 1);
    if (mode == DatabaseMode::kReadOnly) {
      EXPECT_EQ(db->Exec("DELETE FROM t").code(), StatusCode::kFailedPrecondition);
      continue;
    }
    const std::string much = "INSERT INTO t VALUES(zeroblob(2000000))";
    const Status full = db->Exec(much.c_str());
    EXPECT_EQ(full.code(), StatusCode::kResourceExhausted) << full.message();
    EXPECT_NE(full.message().find("disk is full"), std::string::npos) << full.message();
  }
  EXPECT_EQ(umount(disk.c_str()), 0);
}

}  // namespace
}  // namespace kvlink

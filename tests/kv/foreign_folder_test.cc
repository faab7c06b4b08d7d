// What is not ours stays as it is: folders that are no store, files and links in a store that
// kvlink did not put there, other programs' databases.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/sqlite.h"
#include "kv/store_fixture.h"
#include "kv/store_folder.h"
#include "kv/store_names.h"

namespace kvlink::kv {
namespace {

namespace fs = std::filesystem;
using namespace ::kvlink::testing;  // NOLINT: the tests' own words

class ForeignFolderTest : public DiskStoreTest {
 protected:
  std::string Store(const std::string& name) const { return dir_ / ("store/" + name); }
  static void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }
  // Everything below the store's path, with contents and kinds.
  std::map<std::string, std::string> Everything() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      std::string& what = all[entry.path().string()];
      if (entry.is_symlink()) {
        what = "-> " + fs::read_symlink(entry.path()).string();
      } else if (entry.is_regular_file()) {
        std::ifstream file(entry.path(), std::ios::binary);
        what.assign(std::istreambuf_iterator<char>(file), {});
      }
    }
    return all;
  }
  void ExpectRefusedAndUntouched(const std::string& says) {
    const auto before = Everything();
    for (const bool read_only : {false, true}) {
      DiskStoreOptions options = Options();
      options.read_only = read_only;
      const auto store = DiskStore::Open(options);
      EXPECT_EQ(store.code(), StatusCode::kFailedPrecondition) << store.status().message();
      EXPECT_NE(store.status().message().find(says), std::string::npos) << store.status().message();
    }
    EXPECT_EQ(PrepareStoreFolder(files_, dir_ / "store").code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(Everything(), before);
  }
};

TEST_F(ForeignFolderTest, AFolderThatIsNoStoreIsRefused) {
  Write(Store("tmp/thesis.txt"), "thesis");
  ExpectRefusedAndUntouched("not a kvlink store and not empty");
  fs::remove_all(Store(""));
  Write(Store("quarantine/" + std::string(64, 'a') + "-1-2-3"), "named as ours, but whose folder?");
  ExpectRefusedAndUntouched("not a kvlink store");
  fs::remove_all(Store(""));
  Write(Store("notes.txt"), "x");
  ExpectRefusedAndUntouched("notes.txt");
  fs::remove_all(Store(""));
  fs::create_directories(Store("sub"));
  ExpectRefusedAndUntouched("not empty");
  fs::remove_all(Store(""));
  Write(Store("lock"), "somebody's");  // ours is empty
  ExpectRefusedAndUntouched("not empty");
}

TEST_F(ForeignFolderTest, LinksAreNotFollowed) {
  Write(dir_ / "keep/0123456789abcdef-1-0", "precious");
  fs::create_directories(Store(""));
  fs::create_directory_symlink("../keep", Store("tmp"));
  ExpectRefusedAndUntouched("not a kvlink store");
  fs::remove_all(Store(""));
  for (const char* name : {"tmp", "quarantine", "blocks"}) {
    MustOpen().reset();
    fs::remove_all(Store(name));
    fs::create_directory_symlink("../keep", Store(name));
    const auto store = DiskStore::Open(Options());
    EXPECT_EQ(store.code(), StatusCode::kFailedPrecondition) << name;
    EXPECT_NE(store.status().message().find("a link"), std::string::npos);
    EXPECT_TRUE(fs::exists(dir_ / "keep/0123456789abcdef-1-0")) << name;
    fs::remove_all(Store(""));
  }
  // Put there while the store is open.
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  fs::remove_all(Store("tmp"));
  fs::create_directory_symlink("../keep", Store("tmp"));
  fs::remove_all(Store("quarantine"));
  fs::create_directory_symlink("../keep", Store("quarantine"));
  EXPECT_FALSE(store->Put(MakeBlock(2)).ok());
  EXPECT_FALSE(store->Collect(0).ok());
  EXPECT_TRUE(fs::exists(dir_ / "keep/0123456789abcdef-1-0"));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_ / "keep"), {}), 1);
}

TEST_F(ForeignFolderTest, BlocksBehindLinksAreNotThere) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  const std::string folder = fs::path(PathOf(1)).parent_path();
  for (const std::string& path : {PathOf(1), folder}) {
    fs::rename(path, dir_ / "elsewhere");
    fs::create_symlink(dir_ / "elsewhere", path);
    EXPECT_FALSE(MustOpen()->Contains(IdOf(1)));
    EXPECT_EQ(MustOpen()->Get(IdOf(1)).code(), StatusCode::kFailedPrecondition);
    fs::remove(path);
    fs::rename(dir_ / "elsewhere", path);
  }
  ExpectStored(*MustOpen(), 1);
}

TEST_F(ForeignFolderTest, OnlyNamesOfOursGo) {
  auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  const std::vector<std::string> theirs = {"tmp/thesis.txt",
                                           "tmp/0123456789abcdef",
                                           "tmp/0123456789ABCDEF-1-0",
                                           "quarantine/me",
                                           "quarantine/" + std::string(64, 'a'),
                                           "notes.txt"};
  const std::vector<std::string> ours = {
      "tmp/0123456789abcdef-12-0", "tmp/0123456789abcdef-fedcba9876543210",
      "quarantine/" + std::string(64, 'a') + "-17-12-0",
      "quarantine/" + std::string(64, 'a') + "-17-fedcba9876543210"};
  for (const auto& names : {theirs, ours}) {
    for (const std::string& name : names) Write(Store(name), "x");
  }
  fs::create_symlink("../FORMAT", Store("tmp/0123456789abcdef-1-0"));
  EXPECT_EQ(store->Stats()->quarantined_files, 2);
  ASSERT_TRUE(store->Collect(1 << 20).ok());
  for (const std::string& name : theirs) EXPECT_TRUE(fs::exists(Store(name))) << name;
  for (const std::string& name : ours) EXPECT_FALSE(fs::exists(Store(name))) << name;
  EXPECT_TRUE(fs::exists(Store("FORMAT")));
}

TEST_F(ForeignFolderTest, WhatWasSetAsideOfSomeBlocksGoesAndNothingElse) {
  const auto store = MustOpen();
  const std::string hex = HexOf(IdOf(1));
  const std::vector<std::string> stay = {"quarantine/" + hex + "-notes.txt",
                                         "quarantine/" + HexOf(IdOf(2)) + "-17-fedcba9876543210"};
  const std::string goes = "quarantine/" + hex + "-17-fedcba9876543210";
  for (const std::string& name : stay) Write(Store(name), "x");
  Write(Store(goes), "x");
  {
    const auto lock = FileSystem::Posix().Lock(Store("lock"), 0);
    DiskStoreOptions options = Options();
    options.lock_timeout_ms = 10;
    EXPECT_EQ(MustOpen(options)->RemoveQuarantined({IdOf(1)}).code(), StatusCode::kUnavailable);
  }
  ASSERT_TRUE(store->RemoveQuarantined({IdOf(1)}).ok());
  for (const std::string& name : stay) EXPECT_TRUE(fs::exists(Store(name))) << name;
  EXPECT_FALSE(fs::exists(Store(goes)));
}

TEST_F(ForeignFolderTest, WhoOnlyReadsChangesNothing) {
  {
    const auto store = MustOpen();
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  }
  Write(Store("tmp/0123456789abcdef-12-0"), "left by a dead writer");
  fs::remove_all(Store("quarantine"));
  const auto before = Everything();
  DiskStoreOptions options = Options();
  options.read_only = true;
  {
    const auto store = MustOpen(options);
    ExpectStored(*store, 1);
    EXPECT_TRUE(store->Stats().ok());
    EXPECT_TRUE(store->Verify({}).ok());
  }
  auto after = Everything();
  for (const char* beside : {"catalogue.sqlite-wal", "catalogue.sqlite-shm"}) {
    after.erase(Store(beside));  // SQLite's own, of a connection
  }
  EXPECT_EQ(after, before);
}

TEST_F(ForeignFolderTest, AnothersDatabaseIsRefusedAndKept) {
  MustOpen().reset();
  fs::remove(Store("catalogue.sqlite"));
  {
    auto db = Database::Open(Store("catalogue.sqlite"), DatabaseMode::kCreate);
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(db->Exec("CREATE TABLE mine(x); PRAGMA user_version = 1").ok());
  }
  const auto before = Everything();
  const auto refused = DiskStore::Open(Options());
  EXPECT_EQ(Everything(), before);
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.status().message().find("not a catalogue of kvlink"), std::string::npos);
  // Whoever needs lists alone goes by the files.
  DiskStoreOptions options = Options();
  options.files_suffice = true;
  EXPECT_TRUE(MustOpen(options)->Stats().ok());
  auto db = Database::Open(Store("catalogue.sqlite"), DatabaseMode::kReadOnly);
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(*db->QueryInt("SELECT count(*) FROM sqlite_schema"), 1);
}

TEST_F(ForeignFolderTest, AnOlderCatalogueIsOurs) {
  {
    const auto store = MustOpen();
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    ASSERT_TRUE(store->SetPinned(IdOf(1), true).ok());
  }
  {
    auto db = Database::Open(Store("catalogue.sqlite"), DatabaseMode::kReadWrite);
    ASSERT_TRUE(db.ok() && db->Exec("PRAGMA application_id = 0").ok());
  }
  fs::permissions(dir_ / "store", fs::perms(0755));  // as it was made then
  const auto rows = MustOpen()->List();
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_TRUE(rows->at(0).pinned);  // kept, not built anew
  auto db = Database::Open(Store("catalogue.sqlite"), DatabaseMode::kReadOnly);
  EXPECT_EQ(*db->QueryInt("PRAGMA application_id"), 0x6b766c62);
  EXPECT_EQ(fs::status(dir_ / "store").permissions(), fs::perms(0700));
}

TEST_F(ForeignFolderTest, WhatACreationLeftThatWasCutShortIsTakenUp) {
  fs::create_directories(Store(""));
  EXPECT_TRUE(MustOpen() != nullptr);  // empty
  fs::remove_all(Store(""));
  Write(Store("lock"), "");
  Write(Store("FORMAT.tmp-0123456789abcdef"), "kvli");
  {
    const auto store = MustOpen();
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->Put(MakeBlock(1)).ok());
  }
  EXPECT_FALSE(fs::exists(Store("FORMAT.tmp-0123456789abcdef")));
}

TEST_F(ForeignFolderTest, EverythingIsTheOwnersAlone) {
  const mode_t before = umask(0);
  {
    const auto store = MustOpen();
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "store")) {
      EXPECT_EQ(fs::status(entry.path()).permissions(),
                entry.is_directory() ? fs::perms(0700) : fs::perms(0600))
          << entry.path();
    }
  }
  umask(before);
  EXPECT_EQ(fs::status(dir_ / "store").permissions(), fs::perms(0700));
}

TEST(StoreNames, AreRecognisedAsTheyAreGiven) {
  const BlockId id = IdOf(7);
  EXPECT_TRUE(IsTemporaryName(NewTemporaryName(id)));
  EXPECT_TRUE(IsQuarantineName(NewQuarantineName(id, 1'700'000'000'000)));
  EXPECT_EQ(*IdOfBlockFile(ShardName(id), BlockFileName(id)), id);
  EXPECT_FALSE(IdOfBlockFile("zz", BlockFileName(id)).ok());
  for (const char* name : {"", "-", "thesis", "0123456789abcdef-", "0123456789abcdef-1-2-3",
                           "0123456789abcdef-xyz", "0123456789abcde-1-2", ".."}) {
    EXPECT_FALSE(IsTemporaryName(name)) << name;
    EXPECT_FALSE(IsQuarantineName(name)) << name;
  }
}

}  // namespace
}  // namespace kvlink::kv

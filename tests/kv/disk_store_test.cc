// The disk store's promises one by one: what is kept, set aside, refused, read without writing.
// Budgets are in budget_test.cc, faults in fault_test.cc, killed processes in kill_test.cc.
#include "kv/disk_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sqlite.h"
#include "kv/store_fixture.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

TEST_F(DiskStoreTest, KeepsBlocksOverReopening) {
  {
    const auto store = MustOpen();
    EXPECT_EQ(store->Get(IdOf(1)).code(), StatusCode::kNotFound);
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
    ExpectStored(*store, 1);
    EXPECT_TRUE(store->Contains(IdOf(2)));
    EXPECT_FALSE(store->Contains(IdOf(3)));
    const StoreCounters counters = store->counters();
    EXPECT_EQ(counters.puts, 2);
    EXPECT_EQ(counters.hits, 1);
    EXPECT_EQ(counters.misses, 1);
  }
  const auto store = MustOpen();
  ExpectStored(*store, 1);
  ExpectStored(*store, 2);
  EXPECT_EQ(FilesIn("tmp"), 0);
  EXPECT_EQ(FilesIn("blocks"), 2);
  std::ifstream format(dir_ / "store/FORMAT");
  std::string line;
  std::getline(format, line);
  EXPECT_EQ(line, "kvlink-store 1");
}

TEST_F(DiskStoreTest, TheFileIsTheImage) {
  const auto store = MustOpen();
  const auto block = MakeBlock(1);
  ASSERT_TRUE(store->Put(block).ok());
  const auto text = ReadWholeFile(FileSystem::Posix(), PathOf(1), 1 << 20);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, AsText(block->image()));
}

TEST_F(DiskStoreTest, ABlockInUseIsMappedAndVerifiedOnce) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  const int64_t bytes = static_cast<int64_t>(MakeBlock(1)->image().size());
  auto first = store->Get(IdOf(1));
  const int64_t calls = files_.calls();
  const auto second = store->Get(IdOf(1));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->get(), second->get());
  EXPECT_EQ(files_.calls(), calls);  // not one call to the disk
  EXPECT_EQ(store->counters().bytes_verified, bytes);
  first = NotFound("let go");
  EXPECT_EQ((*second)->tokens().size(), 5u);
}

TEST_F(DiskStoreTest, ABlockOutOfUseIsVerifiedAnew) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  ExpectStored(*store, 1);
  ExpectStored(*store, 1);
  EXPECT_EQ(store->counters().bytes_verified,
            2 * static_cast<int64_t>(MakeBlock(1)->image().size()));
}

TEST_F(DiskStoreTest, ABlockOutlivesItsRemovalAndItsStore) {
  auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  const auto block = store->Get(IdOf(1));
  ASSERT_TRUE(block.ok());
  ASSERT_TRUE(store->Remove(IdOf(1)).ok());
  EXPECT_EQ(store->Remove(IdOf(1)).code(), StatusCode::kNotFound);
  EXPECT_EQ(store->Get(IdOf(1)).code(), StatusCode::kNotFound);
  store.reset();
  EXPECT_TRUE(SameBytes(**block, *MakeBlock(1)));
}

TEST_F(DiskStoreTest, DamagedFilesAreSetAsideAndCounted) {
  const auto store = MustOpen();
  const int64_t size = static_cast<int64_t>(MakeBlock(1)->image().size());
  int64_t damaged = 0;
  for (const int64_t offset : {int64_t{0}, int64_t{100}, int64_t{4100}, size / 2, size - 1}) {
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    FlipByte(PathOf(1), offset);
    const auto got = store->Get(IdOf(1));
    EXPECT_EQ(got.code(), StatusCode::kNotFound) << offset;
    EXPECT_NE(got.status().message().find(PathOf(1)), std::string::npos) << got.status().message();
    EXPECT_EQ(store->counters().quarantined, ++damaged);
    EXPECT_EQ(FilesIn("quarantine"), damaged);
    EXPECT_FALSE(store->Contains(IdOf(1)));
  }
  const auto stats = store->Stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->blocks, 0);
  EXPECT_EQ(stats->quarantined_files, damaged);
  EXPECT_EQ(stats->quarantined_bytes, damaged * size);
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());  // computed again, it is as new
  ExpectStored(*store, 1);
}

TEST_F(DiskStoreTest, ATruncatedOrEmptyFileIsDamaged) {
  const auto store = MustOpen();
  for (const int64_t size : {int64_t{0}, int64_t{1}, int64_t{4096}, int64_t{5000}}) {
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    std::filesystem::resize_file(PathOf(1), static_cast<uintmax_t>(size));
    EXPECT_EQ(store->Get(IdOf(1)).code(), StatusCode::kNotFound);
  }
  EXPECT_EQ(store->counters().quarantined, 4);
}

TEST_F(DiskStoreTest, AnotherBlocksFileIsForeign) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
  std::filesystem::copy_file(PathOf(2), PathOf(1),
                             std::filesystem::copy_options::overwrite_existing);
  const auto got = store->Get(IdOf(1));
  EXPECT_EQ(got.code(), StatusCode::kNotFound);
  EXPECT_NE(got.status().message().find("foreign"), std::string::npos) << got.status().message();
  EXPECT_EQ(store->counters().quarantined, 1);
  ExpectStored(*store, 2);
}

// The file is the truth: a row that says otherwise costs no good block, and is written anew.
TEST_F(DiskStoreTest, AWrongRowIsMendedAndTheFileStays) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  ASSERT_TRUE(store->SetPinned(IdOf(1), true).ok());
  {
    auto db = Database::Open(dir_ / "store/catalogue.sqlite", DatabaseMode::kReadWrite);
    ASSERT_TRUE(db.ok());
    const Status status = db->Exec("UPDATE blocks SET model = zeroblob(32), tokens = 77");
    ASSERT_TRUE(status.ok()) << status.message();
  }
  ExpectStored(*store, 1);
  EXPECT_EQ(FilesIn("quarantine"), 0);
  const auto report = store->Verify({});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->adopted, 1);
  EXPECT_EQ(report->quarantined, 0);
  const auto rows = store->List();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->at(0).model, DigestOf("model"));
  EXPECT_EQ(rows->at(0).tokens, 5);
  EXPECT_TRUE(rows->at(0).pinned);
}

TEST_F(DiskStoreTest, PutReplacesADamagedFileAndKeepsAGoodOne) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  EXPECT_EQ(store->counters().puts, 1);
  FlipByte(PathOf(1), 5000);
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  EXPECT_EQ(store->counters().puts, 2);
  EXPECT_EQ(store->counters().quarantined, 1);
  ExpectStored(*store, 1);
}

TEST_F(DiskStoreTest, ListAndStatsSayWhatIsThere) {
  const auto store = MustOpen();
  clock_.now_ms = 5'000;
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  clock_.now_ms = 6'000;
  BlockShape bigger = kTinyShape;
  bigger.tokens = 20;
  bigger.dtype = DType::kBF16;
  ASSERT_TRUE(store->Put(MakeBlock(2, bigger, "another model")).ok());
  ASSERT_TRUE(store->SetPinned(IdOf(2), true).ok());
  clock_.now_ms = 7'000;
  ExpectStored(*store, 1);
  const auto rows = store->List();
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2u);
  const StoredBlock& first = (*rows)[0];
  EXPECT_EQ(first.id, IdOf(1));
  EXPECT_EQ(first.model, DigestOf("model"));
  EXPECT_EQ(first.size_bytes, static_cast<int64_t>(MakeBlock(1)->image().size()));
  EXPECT_EQ(first.tokens, 5);
  EXPECT_EQ(first.dtype, DType::kF32);
  EXPECT_FALSE(first.pinned);
  EXPECT_EQ(first.created_ms, 5'000);
  EXPECT_EQ(first.last_used_ms, 7'000);  // though not yet in the catalogue
  EXPECT_EQ((*rows)[1].dtype, DType::kBF16);
  EXPECT_TRUE((*rows)[1].pinned);
  const auto stats = store->Stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->blocks, 2);
  EXPECT_EQ(stats->tokens, 25);
  EXPECT_EQ(stats->bytes, first.size_bytes + (*rows)[1].size_bytes);
  EXPECT_EQ(stats->pinned, 1);
  EXPECT_EQ(stats->models, 2);
}

TEST_F(DiskStoreTest, LabelsComeBackWithoutTheCatalogue) {
  {
    const auto store = MustOpen();
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
  }
  std::filesystem::remove(dir_ / "store/catalogue.sqlite");
  const auto store = MustOpen();
  std::map<BlockId, std::string> labels;
  ASSERT_TRUE(store
                  ->ForEachLabel([&](const BlockId& id, std::string_view label) {
                    labels[id] = std::string(label);
                  })
                  .ok());
  EXPECT_EQ(labels, (std::map<BlockId, std::string>{{IdOf(1), "{\"title\":\"document 1\"}"},
                                                    {IdOf(2), "{\"title\":\"document 2\"}"}}));
}

TEST_F(DiskStoreTest, TimesOfUseSurviveClosing) {
  {
    const auto store = MustOpen();
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    clock_.now_ms = 9'000'000;
    ExpectStored(*store, 1);
  }
  const auto rows = MustOpen()->List();
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->at(0).last_used_ms, 9'000'000);
}

// The catalogue in every state of disrepair: the store opens, and everything is there.
TEST_F(DiskStoreTest, ADamagedCatalogueIsRebuilt) {
  const std::string path = dir_ / "store/catalogue.sqlite";
  const auto write = [&](const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  };
  const std::vector<std::function<void()>> damages = {
      [&] { std::filesystem::remove(path); },
      [&] { write(""); },
      [&] { write("this is not a database, whatever its name says"); },
      [&] { write(std::string(100'000, 'x')); },
      [&] { std::filesystem::resize_file(path, 5'000); },
      [&] { FlipByte(path, 20); },
      [&] {
        for (int64_t offset = 4096; offset < 12'000; offset += 3) FlipByte(path, offset);
      },
      [&] {  // a database, but not ours
        auto db = Database::Open(path, DatabaseMode::kCreate);
        ASSERT_TRUE(db.ok());
        const Status status = db->Exec("DROP TABLE blocks; CREATE TABLE blocks (other INTEGER);");
        ASSERT_TRUE(status.ok()) << status.message();
      },
      [&] {
        auto db = Database::Open(path, DatabaseMode::kCreate);
        ASSERT_TRUE(db.ok());
        ASSERT_TRUE(db->Exec("PRAGMA user_version = 0").ok());
      },
  };
  for (size_t i = 0; i < damages.size(); ++i) {
    SCOPED_TRACE("damage " + std::to_string(i));
    {
      const auto store = MustOpen();
      for (uint64_t seed = 0; seed < 5; ++seed) ASSERT_TRUE(store->Put(MakeBlock(seed)).ok());
    }
    damages[i]();
    const auto store = MustOpen();
    ASSERT_NE(store, nullptr);
    const auto rows = store->List();
    ASSERT_TRUE(rows.ok()) << rows.status().message();
    EXPECT_EQ(rows->size(), 5u);
    for (uint64_t seed = 0; seed < 5; ++seed) ExpectStored(*store, seed);
    EXPECT_EQ(store->counters().quarantined, 0);
  }
}

TEST_F(DiskStoreTest, ACatalogueThatGoesWhileOpenIsRebuilt) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  std::filesystem::remove(dir_ / "store/catalogue.sqlite");
  ExpectStored(*store, 1);
  auto rows = store->List();
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows->size(), 1u);
  std::filesystem::remove(dir_ / "store/catalogue.sqlite");
  ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
  rows = store->List();
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), 2u);
}

TEST_F(DiskStoreTest, NewerThingsAreRefusedWithAdvice) {
  MustOpen().reset();
  const auto expect_refused = [&](bool read_only) {
    DiskStoreOptions options = Options();
    options.read_only = read_only;
    const auto store = DiskStore::Open(options);
    ASSERT_EQ(store.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(store.status().message().find("newer"), std::string::npos);
    EXPECT_NE(store.status().message().find(dir_.path()), std::string::npos);
  };
  {
    auto db = Database::Open(dir_ / "store/catalogue.sqlite", DatabaseMode::kReadWrite);
    ASSERT_TRUE(db.ok() && db->Exec("PRAGMA user_version = 2").ok());
  }
  expect_refused(false);
  std::ofstream(dir_ / "store/FORMAT") << "kvlink-store 2\n";
  expect_refused(false);
  expect_refused(true);
  for (const std::string text : {"", "hello", "kvlink-store 0\n", "kvlink-store -1\n",
                                 "kvlink-store 99999999999999999999\n"}) {
    std::ofstream(dir_ / "store/FORMAT", std::ios::trunc) << text;
    EXPECT_EQ(DiskStore::Open(Options()).code(), StatusCode::kFailedPrecondition) << text;
  }
}

TEST_F(DiskStoreTest, APathThatIsNoFolderIsRefused) {
  std::ofstream(dir_ / "store") << "a file";
  EXPECT_EQ(DiskStore::Open(Options()).code(), StatusCode::kFailedPrecondition);
  DiskStoreOptions options = Options();
  options.path = dir_ / "store/below";
  EXPECT_EQ(DiskStore::Open(options).code(), StatusCode::kFailedPrecondition);
  options.path = "";
  EXPECT_EQ(DiskStore::Open(options).code(), StatusCode::kInvalidArgument);
  options.path = dir_ / "nowhere";
  options.read_only = true;
  EXPECT_EQ(DiskStore::Open(options).code(), StatusCode::kNotFound);
}

TEST_F(DiskStoreTest, ANewerBlockIsLeftAlone) {
  auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  std::string image(AsText(MakeBlock(1)->image()));
  image[8] = 2;
  const uint64_t checksum = Xxh3(AsBytes(image).first(4088));
  std::memcpy(image.data() + 4088, &checksum, 8);
  ASSERT_TRUE(WriteWholeFile(FileSystem::Posix(), PathOf(1), image).ok());
  EXPECT_EQ(store->Get(IdOf(1)).code(), StatusCode::kFailedPrecondition);
  const auto report = store->Verify({});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->unreadable, 1);
  EXPECT_NE(report->first_unreadable.find("version"), std::string::npos);
  EXPECT_EQ(report->checked, 0);
  store.reset();
  store = MustOpen();
  EXPECT_EQ(store->Put(MakeBlock(1)).code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(std::filesystem::exists(PathOf(1)));
  EXPECT_EQ(store->counters().quarantined, 0);
}

TEST_F(DiskStoreTest, VerifySetsAsideAdoptsAndForgets) {
  const auto store = MustOpen();
  for (uint64_t seed = 0; seed < 6; ++seed) ASSERT_TRUE(store->Put(MakeBlock(seed)).ok());
  FlipByte(PathOf(0), 6'000);          // damaged
  std::filesystem::remove(PathOf(1));  // a row without a file
  {                                    // a file without a row
    DiskStoreOptions other = Options();
    other.path = dir_ / "other";
    const auto source = MustOpen(other);
    ASSERT_TRUE(source->Put(MakeBlock(77)).ok());
  }
  std::filesystem::create_directories(std::filesystem::path(PathOf(77)).parent_path());
  std::string from = PathOf(77);
  from.replace(from.find("/store/"), 7, "/other/");
  std::filesystem::copy_file(from, PathOf(77));
  std::ofstream(dir_ / "store/blocks/README") << "not ours, left alone";
  int64_t last_done = 0;
  int64_t last_total = 0;
  const auto report = store->Verify([&](int64_t done, int64_t total) {
    EXPECT_GT(done, last_done);
    last_done = done;
    last_total = total;
    return true;
  });
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->checked, 6);
  EXPECT_EQ(report->quarantined, 1);
  EXPECT_EQ(report->forgotten, 1);
  EXPECT_EQ(report->adopted, 1);
  EXPECT_EQ(report->bytes, last_total);
  EXPECT_EQ(last_done, last_total);
  EXPECT_TRUE(std::filesystem::exists(dir_ / "store/blocks/README"));
  const auto rows = store->List();
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), 5u);
  ExpectStored(*store, 77);
  const auto again = store->Verify({});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->quarantined + again->forgotten + again->adopted, 0);
  EXPECT_EQ(again->checked, 5);
}

TEST_F(DiskStoreTest, UsesByAClockThatRanAheadAreTakenForUsesNow) {
  const int64_t now_ms = clock_.now_ms;
  clock_.now_ms = now_ms + 1'000'000;
  ASSERT_TRUE(MustOpen()->Put(MakeBlock(1)).ok());
  clock_.now_ms = now_ms;
  const auto rows = MustOpen()->List();
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->at(0).last_used_ms, now_ms);
}

TEST_F(DiskStoreTest, AfterAPutThatWaitedInVainTheNextOnesFailAtOnce) {
  DiskStoreOptions options = Options();
  options.lock_timeout_ms = 20;
  options.pause_after_busy_ms = 1'000;
  const auto store = MustOpen(options);
  {
    const auto lock = FileSystem::Posix().Lock(options.path + "/lock", 0);
    EXPECT_EQ(store->Put(MakeBlock(1)).code(), StatusCode::kUnavailable);
  }
  EXPECT_EQ(store->Put(MakeBlock(1)).code(), StatusCode::kUnavailable);
  clock_.now_ms += 1'000;
  EXPECT_TRUE(store->Put(MakeBlock(1)).ok());
}

TEST_F(DiskStoreTest, ALockInTheCatalogueIsWaitedForAsLongAsTheFolders) {
  DiskStoreOptions options = Options();
  options.lock_timeout_ms = 20;
  const auto store = MustOpen(options);
  auto holder = Database::Open(options.path + "/catalogue.sqlite", DatabaseMode::kReadWrite);
  ASSERT_TRUE(holder.ok());
  auto held = Transaction::Begin(*holder);
  ASSERT_TRUE(held.ok());
  const double begin_ms = Clock::System().MonotonicMs();
  EXPECT_EQ(store->Put(MakeBlock(1)).code(), StatusCode::kUnavailable);
  EXPECT_LT(Clock::System().MonotonicMs() - begin_ms, 5'000);
  ASSERT_TRUE(held->Commit().ok());
  EXPECT_TRUE(store->Put(MakeBlock(1)).ok());
}

TEST_F(DiskStoreTest, VerifyStopsWhenAsked) {
  const auto store = MustOpen();
  for (uint64_t seed = 0; seed < 4; ++seed) ASSERT_TRUE(store->Put(MakeBlock(seed)).ok());
  const auto report = store->Verify([](int64_t, int64_t) { return false; });
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->checked, 1);
}

TEST_F(DiskStoreTest, ReadOnlyReadsAndNothingElse) {
  {
    const auto store = MustOpen();
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
    ASSERT_TRUE(store->SetPinned(IdOf(2), true).ok());
  }
  FlipByte(PathOf(2), 6'000);
  DiskStoreOptions options = Options();
  options.read_only = true;
  const auto store = MustOpen(options);
  ExpectStored(*store, 1);
  EXPECT_EQ(store->Get(IdOf(2)).code(), StatusCode::kNotFound);
  EXPECT_EQ(store->Put(MakeBlock(3)).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(store->Remove(IdOf(1)).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(store->SetPinned(IdOf(1), true).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(store->Collect(0).code(), StatusCode::kFailedPrecondition);
  const auto report = store->Verify({});  // all of it, with what could not be mended
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->checked, 2);
  EXPECT_EQ(report->damaged, 1);
  EXPECT_EQ(report->quarantined, 0);
  EXPECT_NE(report->first_damage.find(PathOf(2)), std::string::npos) << report->first_damage;
  EXPECT_EQ(FilesIn("quarantine"), 0);
  const auto stats = store->Stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->blocks, 2);
  EXPECT_EQ(stats->pinned, 1);
}

// In a child that is nobody, so that root's power over permissions does not blind the test.
TEST_F(DiskStoreTest, ReadOnlyWorksInAFolderThatMayNotBeWritten) {
  {
    const auto store = MustOpen();
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
    ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
  }
  namespace fs = std::filesystem;
  for (const bool with_catalogue : {true, false}) {
    if (!with_catalogue) fs::remove(dir_ / "store/catalogue.sqlite");
    fs::permissions(dir_.path(), fs::perms(0755));
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      fs::permissions(entry.path(), fs::perms(entry.is_directory() ? 0555 : 0444));
    }
    fs::permissions(dir_ / "store", fs::perms(0555));
    const pid_t child = fork();
    if (child == 0) {
      if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(10);
      DiskStoreOptions options = Options();
      if (DiskStore::Open(options).ok()) _exit(11);  // for writing it must not open
      options.read_only = true;
      const auto store = DiskStore::Open(options);
      if (!store.ok()) _exit(12);
      const auto block = (*store)->Get(IdOf(1));
      if (!block.ok() || !SameBytes(**block, *MakeBlock(1))) _exit(13);
      const auto stats = (*store)->Stats();
      if (!stats.ok() || stats->blocks != 2 || stats->tokens != 10) _exit(14);
      const auto report = (*store)->Verify({});
      if (!report.ok() || report->checked != 2) _exit(15);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "with catalogue: " << with_catalogue;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      fs::permissions(entry.path(), fs::perms(entry.is_directory() ? 0755 : 0644));
    }
    fs::permissions(dir_ / "store", fs::perms(0755));
  }
}

TEST_F(DiskStoreTest, ALockedStoreGivesReadsAndRefusesWrites) {
  DiskStoreOptions options = Options();
  options.lock_timeout_ms = 20;
  const auto store = MustOpen(options);
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
  FlipByte(PathOf(2), 6'000);
  const auto lock = FileSystem::Posix().Lock(dir_ / "store/lock", 0);
  ASSERT_TRUE(lock.ok());
  ExpectStored(*store, 1);
  EXPECT_EQ(store->Get(IdOf(2)).code(), StatusCode::kNotFound);  // not set aside now, not used
  EXPECT_EQ(FilesIn("quarantine"), 0);
  EXPECT_EQ(store->Put(MakeBlock(3)).code(), StatusCode::kUnavailable);
  EXPECT_EQ(store->counters().put_failures, 1);
  EXPECT_TRUE(store->List().ok());
}

TEST_F(DiskStoreTest, WhatADeadWriterLeftInTmpGoes) {
  MustOpen().reset();
  std::ofstream(dir_ / "store/tmp/0123456789abcdef-1-0") << "half a block";
  const auto store = MustOpen();
  EXPECT_EQ(FilesIn("tmp"), 0);
  std::ofstream(dir_ / "store/tmp/0123456789abcdef-1-1") << "half a block";
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  EXPECT_EQ(FilesIn("tmp"), 0);
}

TEST_F(DiskStoreTest, ALiveWritersTmpFileStays) {
  DiskStoreOptions options = Options();
  options.lock_timeout_ms = 20;
  MustOpen(options).reset();
  const auto lock = FileSystem::Posix().Lock(dir_ / "store/lock", 0);  // as a writer holds it
  ASSERT_TRUE(lock.ok());
  std::ofstream(dir_ / "store/tmp/0123456789abcdef-1-0") << "being written";
  const auto store = MustOpen(options);  // reading needs no lock
  EXPECT_TRUE(store->List().ok());
  EXPECT_EQ(store->Put(MakeBlock(1)).code(), StatusCode::kUnavailable);
  EXPECT_EQ(FilesIn("tmp"), 1);
}

}  // namespace
}  // namespace kvlink::kv

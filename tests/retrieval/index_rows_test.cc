// documents.sqlite: which blocks hold which text, how files stood, and that what is forgotten
// leaves the file.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/sqlite.h"
#include "retrieval/document_index.h"
#include "retrieval/read_source.h"
#include "support/tiny_model.h"

namespace kvlink::retrieval {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;
using testing::TempDir;

SourceFile File(const std::string& path, const Strings& texts) {
  SourceFile file;
  file.path = path;
  for (const std::string& text : texts) {
    file.content_hash += DocumentId("", text);
    file.documents.push_back({DocumentId("T", text), "T", text, path, 0, 1});
  }
  return file;
}

std::string BlockOf(const std::string& text) { return "b-" + DocumentId("", text); }

Strings Sorted(Strings strings) {
  std::sort(strings.begin(), strings.end());
  return strings;
}

class IndexRowsTest : public ::testing::Test {
 protected:
  void Put(const SourceFile& file) {
    int64_t ordinal = 0;
    for (const SourceDocument& document : file.documents) {
      ASSERT_TRUE(index_->Add(document, ordinal++, 3, BlockOf(document.text)).ok());
    }
    ASSERT_TRUE(index_->FinishSource(file).ok());
  }
  void Open() {
    auto index = DocumentIndex::Open(path_, /*read_only=*/false);
    ASSERT_TRUE(index.ok()) << index.status().message();
    index_ = *std::move(index);
  }
  // Whether any file beside the index holds the word.
  bool OnDisk(const std::string& word) {
    for (const auto& entry : fs::directory_iterator(dir_.path())) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      if (bytes.find(word) != std::string::npos) return true;
    }
    return false;
  }

  void SetUp() override { Open(); }

  TempDir dir_;
  std::string path_ = dir_ / "documents.sqlite";
  std::unique_ptr<DocumentIndex> index_;
};

TEST_F(IndexRowsTest, BlocksOfForgottenDocumentsAreLeftOver) {
  Put(File("/a", {"one", "two"}));
  Put(File("/b", {"two"}));
  const std::string one = DocumentId("T", "one"), two = DocumentId("T", "two");
  ASSERT_TRUE(index_->AddBlockOfKnown(one, "other-model").ok());
  EXPECT_EQ(*index_->BlocksOf(one), Sorted({BlockOf("one"), "other-model"}));
  EXPECT_EQ(*index_->LeftoverBlocks(), Strings{});
  Put(File("/a", {"three"}));
  EXPECT_EQ(*index_->LeftoverBlocks(), Sorted({BlockOf("one"), "other-model"}));  // "two" is in /b
  EXPECT_EQ(*index_->BlocksOf(one), Strings{});
  Put(File("/c", {"one"}));  // back again
  EXPECT_EQ(*index_->LeftoverBlocks(), Strings{"other-model"});
  ASSERT_TRUE(index_->ForgetBlocks({"other-model"}).ok());
  EXPECT_EQ(*index_->LeftoverBlocks(), Strings{});
  ASSERT_TRUE(index_->Remove(two).ok());
  EXPECT_EQ(*index_->LeftoverBlocks(), Strings{BlockOf("two")});
}

TEST_F(IndexRowsTest, ABlockOfTwoDocumentsStaysUntilBothAreGone) {
  Put(File("/a", {"one"}));
  Put(File("/b", {"two"}));
  ASSERT_TRUE(index_->AddBlockOfKnown(DocumentId("T", "one"), "shared").ok());
  ASSERT_TRUE(index_->AddBlockOfKnown(DocumentId("T", "two"), "shared").ok());
  ASSERT_TRUE(index_->ForgetSource("/a").ok());
  EXPECT_EQ(*index_->LeftoverBlocks(), Strings{BlockOf("one")});
  ASSERT_TRUE(index_->ForgetSource("/b").ok());
  EXPECT_EQ(*index_->LeftoverBlocks(), Sorted({BlockOf("one"), BlockOf("two"), "shared"}));
}

TEST_F(IndexRowsTest, ABlockOfADocumentThatIsGoneIsRefused) {
  const std::string one = DocumentId("T", "one");
  EXPECT_EQ(index_->AddBlockOfKnown(one, "x").code(), StatusCode::kNotFound);
  Put(File("/a", {"one"}));
  ASSERT_TRUE(index_->AddBlockOfKnown(one, "x").ok());
  ASSERT_TRUE(index_->AddBlockOfKnown(one, "x").ok());
  EXPECT_EQ(*index_->BlocksOf(one), Sorted({BlockOf("one"), "x"}));
  ASSERT_TRUE(index_->ForgetSource("/a").ok());
  EXPECT_EQ(index_->AddBlockOfKnown(one, "x").code(), StatusCode::kNotFound);
  EXPECT_EQ(*index_->LeftoverBlocks(), Sorted({BlockOf("one"), "x"}));
  // A row that was learnt from a block is no document.
  ASSERT_TRUE(index_->LearnBlocks({{"stray", "y"}}).ok());
  EXPECT_EQ(index_->AddBlockOfKnown("stray", "y").code(), StatusCode::kNotFound);
}

TEST_F(IndexRowsTest, ASourceThatLostADocumentMeanwhileCountsAsChanged) {
  const SourceFile file = File("/a", {"one", "two", "two"});
  Put(file);
  EXPECT_TRUE(*index_->IsUnchanged("/a", file.content_hash));
  for (size_t i = 0; i < file.documents.size(); ++i) {
    ASSERT_TRUE(index_->Add(file.documents[i], static_cast<int64_t>(i), 3).ok());
  }
  ASSERT_TRUE(index_->Remove(DocumentId("T", "one")).ok());
  ASSERT_TRUE(index_->FinishSource(file).ok());
  EXPECT_FALSE(*index_->IsUnchanged("/a", file.content_hash));
  Put(file);
  EXPECT_TRUE(*index_->IsUnchanged("/a", file.content_hash));
}

TEST_F(IndexRowsTest, BlocksAreKnownOnceLearnt) {
  EXPECT_FALSE(*index_->KnowsBlocks());
  ASSERT_TRUE(index_->LearnBlocks({{"id", "x"}, {"id", "y"}, {"other", "z"}}).ok());
  EXPECT_TRUE(*index_->KnowsBlocks());
  EXPECT_EQ(*index_->BlocksOf("id"), (Strings{"x", "y"}));
}

TEST_F(IndexRowsTest, ForgottenWordsLeaveTheFile) {
  Strings many;
  for (int i = 0; i < 300; ++i) many.push_back("ordinary text number " + std::to_string(i));
  Put(File("/many", many));
  Put(File("/a", {"the password is xylophone77", "other"}));
  Put(File("/long", {"begin " + std::string(20000, 'q') + " xylophone77 end"}));
  EXPECT_TRUE(OnDisk("xylophone77"));
  Put(File("/a", {"other"}));
  ASSERT_TRUE(index_->ForgetSource("/long").ok());
  ASSERT_TRUE(index_->Scrub().ok());
  EXPECT_FALSE(OnDisk("xylophone77"));
  EXPECT_FALSE(OnDisk("xylophon"));  // the index's stem
  EXPECT_TRUE(OnDisk("ordinary"));
  EXPECT_EQ(index_->Search("ordinary", 400)->hits.size(), 300u);
}

TEST_F(IndexRowsTest, ScrubbingWaitsForReaders) {
  Put(File("/a", {"xylophone77"}));
  {
    auto reader = Database::Open(path_, DatabaseMode::kReadOnly);
    ASSERT_TRUE(reader.ok());
    auto snapshot = Transaction::BeginRead(*reader);
    ASSERT_TRUE(snapshot.ok());
    ASSERT_TRUE(reader->QueryInt("SELECT count(*) FROM documents").ok());
    ASSERT_TRUE(index_->ForgetSource("/a").ok());
    ASSERT_TRUE(index_->Scrub().ok());
    EXPECT_TRUE(OnDisk("xylophone77"));  // the reader may still ask for it
  }
  ASSERT_TRUE(index_->Scrub().ok());
  EXPECT_FALSE(OnDisk("xylophone77"));
}

TEST_F(IndexRowsTest, RemembersHowFilesStood) {
  SourceFile file = File("/a", {"one"});
  file.state = {12, 345, 6, "hash"};
  Put(file);
  Put(File("-", {"two"}));
  auto states = index_->FileStates();
  ASSERT_TRUE(states.ok());
  EXPECT_EQ((*states)["/a"].size_bytes, 12);
  EXPECT_EQ((*states)["/a"].modified_ms, 345);
  EXPECT_EQ((*states)["/a"].device, 6);
  EXPECT_EQ((*states)["/a"].bytes_hash, "hash");
  EXPECT_FALSE((*states)["-"].known());
  ASSERT_TRUE(index_->SetFileState("/a", {12, 999, 7, "hash"}).ok());
  EXPECT_EQ((*index_->FileStates())["/a"].modified_ms, 999);
  EXPECT_TRUE(*index_->IsUnchanged("/a", file.content_hash));
}

TEST_F(IndexRowsTest, ASourceWithoutHashCountsAsChanged) {
  SourceFile file = File("/a", {"one"});
  file.content_hash.clear();
  Put(file);
  EXPECT_FALSE(*index_->IsUnchanged("/a", ""));
  EXPECT_EQ(index_->List()->size(), 1u);
}

TEST_F(IndexRowsTest, AnIndexOfVersion1IsBroughtUpToDateWithoutLoss) {
  index_.reset();
  for (const auto& entry : fs::directory_iterator(dir_.path())) fs::remove(entry.path());
  {
    auto db = Database::Open(path_, DatabaseMode::kCreate);
    ASSERT_TRUE(db.ok());
    // As version 1 made it.
    const Status made = db->Exec(R"sql(
      CREATE TABLE sources(
        key INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, content_hash TEXT);
      CREATE TABLE documents(
        key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
        text TEXT NOT NULL, tokens INTEGER NOT NULL, pinned INTEGER NOT NULL DEFAULT 0);
      CREATE TABLE places(
        source INTEGER NOT NULL REFERENCES sources(key), ordinal INTEGER NOT NULL,
        document INTEGER NOT NULL REFERENCES documents(key), begin_byte INTEGER NOT NULL,
        end_byte INTEGER NOT NULL, PRIMARY KEY(source, ordinal, document)) WITHOUT ROWID;
      CREATE INDEX places_of_document ON places(document);
      CREATE VIRTUAL TABLE documents_fts USING fts5(title, text, content='documents',
        content_rowid='key', tokenize='porter unicode61 remove_diacritics 2');
      INSERT INTO sources VALUES(1, '/a', 'hash');
      INSERT INTO documents VALUES(1, 'ab12', 'T', 'one word', 5, 1);
      INSERT INTO places VALUES(1, 0, 1, 2, 8);
      INSERT INTO documents_fts(rowid, title, text) VALUES(1, 'T', 'one word');
      PRAGMA application_id=1802923113;
      PRAGMA user_version=1;
    )sql");
    ASSERT_TRUE(made.ok()) << made.message();
  }
  int opened = 0;
  for (const bool read_only : {true, false, true}) {
    auto index = DocumentIndex::Open(path_, read_only);
    ASSERT_TRUE(index.ok()) << index.status().message();
    const auto list = (*index)->List();
    ASSERT_EQ(list->size(), 1u);
    EXPECT_EQ((*list)[0].text, "one word");
    EXPECT_EQ((*list)[0].begin, 2);
    EXPECT_TRUE((*list)[0].pinned);
    EXPECT_TRUE(*(*index)->IsUnchanged("/a", "hash"));
    EXPECT_FALSE(*(*index)->KnowsBlocks());
    EXPECT_EQ(*(*index)->BlocksOf("ab12"), Strings{});
    EXPECT_FALSE((*(*index)->FileStates())["/a"].known());
    const auto found = (*index)->Search("words", 5);
    ASSERT_TRUE(found.ok()) << found.status().message();
    EXPECT_EQ(found->how, HowFound::kMatched);
    EXPECT_EQ(found->hits.size(), 1u);
    // Said while its words have to be found again, and once when they were; then they are there.
    EXPECT_EQ((*index)->notes().size(), opened++ < 2 ? 1u : 0u);
  }
}

}  // namespace
}  // namespace kvlink::retrieval

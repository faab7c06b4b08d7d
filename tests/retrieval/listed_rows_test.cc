// Pages of documents and their blocks, uses, and batches (retrieval/document_index.h).
#include "retrieval/listed_rows.h"

#include <gtest/gtest.h>

#include "base/sqlite.h"
#include "retrieval/document_index.h"
#include "support/tiny_model.h"

namespace kvlink::retrieval {
namespace {

class ListedRowsTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    index_.reset();
    auto index = DocumentIndex::Open(path_, /*read_only=*/false);
    ASSERT_TRUE(index.ok()) << index.status().message();
    index_ = *std::move(index);
  }
  Status Add(const std::string& id, int64_t ordinal, const std::string& block = "",
             const std::string& space = "") {
    return index_->Add({id, "T", "Text of " + id, "/a.txt", 0, 9}, ordinal, 7, block, space);
  }
  std::vector<std::string> MostUsed() {
    const auto page = index_->PageOfMostUsed("s", nullptr, 10);
    EXPECT_TRUE(page.ok()) << page.status().message();
    std::vector<std::string> ids;
    for (const ListedDocument& document : *page) ids.push_back(document.id);
    return ids;
  }

  testing::TempDir dir_;
  const std::string path_ = dir_ / "documents.sqlite";
  std::unique_ptr<DocumentIndex> index_;
};

TEST_F(ListedRowsTest, PagesFollowEachOther) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Add("d" + std::to_string(i), i, "b", "s").ok());
  std::string seen;
  ListedDocument last;
  const ListedDocument* after = nullptr;
  while (true) {
    const auto page = index_->PageOfSource("/a.txt", "s", after, 2);
    ASSERT_TRUE(page.ok());
    for (const ListedDocument& document : *page) seen += document.id + document.block + " ";
    if (page->size() < 2) break;
    last = page->back();
    after = &last;
  }
  EXPECT_EQ(seen, "d0b d1b d2b d3b d4b ");
  EXPECT_TRUE(index_->PageOfSource("/b.txt", "s", nullptr, 2)->empty());
}

TEST_F(ListedRowsTest, ABlockIsOfItsSpace) {
  ASSERT_TRUE(Add("d", 0, "b1", "s1").ok());
  ASSERT_TRUE(index_->AddBlockOfKnown("d", "b2").ok());  // whose, nobody says
  const auto block_in = [this](const std::string& space) {
    return index_->PageOfSource("/a.txt", space, nullptr, 1)->at(0).block;
  };
  EXPECT_EQ(block_in("s1"), "b1");
  EXPECT_EQ(block_in("s2"), "");
  ASSERT_TRUE(index_->AddBlockOfKnown("d", "b2", "s2").ok());
  ASSERT_TRUE(index_->AddBlockOfKnown("d", "b2").ok());  // what was known stays
  EXPECT_EQ(block_in("s2"), "b2");
  EXPECT_EQ(*index_->BlocksOf("d"), (std::vector<std::string>{"b1", "b2"}));
  EXPECT_EQ(index_->AddBlockOfKnown("e", "b3").code(), StatusCode::kNotFound);
}

TEST_F(ListedRowsTest, WhatIsThereIsNotWrittenAgain) {
  ASSERT_TRUE(Add("d", 0, "b", "s").ok());
  auto other = Database::Open(path_, DatabaseMode::kReadWrite);
  ASSERT_TRUE(other.ok());
  const auto held = Transaction::Begin(*other);
  ASSERT_TRUE(held.ok());
  EXPECT_TRUE(index_->AddBlockOfKnown("d", "b", "", 0).ok());
  EXPECT_EQ(index_->AddBlockOfKnown("d", "c", "", 0).code(), StatusCode::kUnavailable);
}

TEST_F(ListedRowsTest, TheMostUsedThenTheNewest) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Add("d" + std::to_string(i), i).ok());
  EXPECT_EQ(MostUsed(), (std::vector<std::string>{"d2", "d1", "d0"}));
  ASSERT_TRUE(index_->CountUses({"d0", "gone"}).ok());
  EXPECT_EQ(MostUsed(), (std::vector<std::string>{"d0", "d2", "d1"}));
}

TEST_F(ListedRowsTest, ABatchIsAllOrNothing) {
  EXPECT_EQ(index_
                ->InBatch([&]() -> Status {
                  KVLINK_RETURN_IF_ERROR(Add("d", 0));
                  return Internal("no");
                })
                .code(),
            StatusCode::kInternal);
  EXPECT_FALSE(*index_->IsListed("d"));
  ASSERT_TRUE(index_
                  ->InBatch([&]() -> Status {
                    KVLINK_RETURN_IF_ERROR(Add("d", 0));
                    return Add("e", 1);
                  })
                  .ok());
  Open();
  EXPECT_TRUE(*index_->IsListed("e"));
}

// What version 3 had stays, and its words are not made anew.
TEST_F(ListedRowsTest, AnOlderListIsBroughtUpToDate) {
  ASSERT_TRUE(Add("d", 0, "b", "s").ok());
  index_.reset();
  {
    auto db = Database::Open(path_, DatabaseMode::kReadWrite);
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(
        db->Exec("DROP INDEX documents_by_use; ALTER TABLE blocks DROP COLUMN space;"
                 "ALTER TABLE documents DROP COLUMN uses; ALTER TABLE places DROP COLUMN unit; "
                 "PRAGMA user_version=3")
            .ok());
  }
  {
    const auto reader = DocumentIndex::Open(path_, /*read_only=*/true);
    ASSERT_TRUE(reader.ok()) << reader.status().message();
    EXPECT_TRUE((*reader)->notes().empty());
    EXPECT_EQ((*reader)->Search("text", 5)->hits.size(), 1u);
  }
  Open();
  EXPECT_TRUE(index_->notes().empty());
  EXPECT_EQ(index_->PageOfSource("/a.txt", "s", nullptr, 1)->at(0).block,
            "");  // whose is not known
  EXPECT_EQ(*index_->BlocksOf("d"), std::vector<std::string>{"b"});
  EXPECT_EQ(index_->Search("text", 5)->hits.size(), 1u);
}

}  // namespace
}  // namespace kvlink::retrieval

#include "retrieval/pdf.h"

#include <gtest/gtest.h>

#include <string>

#include "support/made_documents.h"

namespace kvlink::retrieval {
namespace {

RepairedText Bytes(std::string bytes) {
  RepairedText out;
  out.text = std::move(bytes);
  return out;
}

TEST(ReadPdf, PageByPage) {
  const auto file = ReadPdf(Bytes(testing::MakePdf(
      {"The ferry leaves at six,\nwith inter-\nruptions.", "", "It costs ten."}, "The Ferry")));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->text, "The ferry leaves at six,\nwith interruptions.\n\nIt costs ten.");
  EXPECT_EQ(file->structure.title, "The Ferry");
  EXPECT_EQ(file->map.unit, PlaceUnit::kPage);
  const auto describe = [&](TextRange range) {
    return DescribePlace(file->map.unit, file->map.PlaceOf(range));
  };
  EXPECT_EQ(describe({0, 5}), "page 1");
  EXPECT_EQ(describe({file->text.find("It"), file->text.size()}), "page 3");
  EXPECT_EQ(describe({5, file->text.size()}), "pages 1-3");
  ASSERT_EQ(file->notes.size(), 1u);
  EXPECT_EQ(file->notes[0], "has 1 page without text (pictures of text are not read)");
}

TEST(ReadPdf, RefusesDamagedAndEncryptedFiles) {
  EXPECT_EQ(ReadPdf(Bytes("%PDF-1.4\nnothing")).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadPdf(Bytes("")).code(), StatusCode::kInvalidArgument);
  std::string encrypted = testing::MakePdf({"x"});
  const std::string key(32, 'k');
  encrypted.insert(
      encrypted.rfind("/Root"),
      "/ID[(a)(a)]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O(" + key + ")/U(" + key + ")>>");
  const auto file = ReadPdf(Bytes(encrypted));
  EXPECT_EQ(file.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(file.status().message().find("asks for a password"), std::string::npos)
      << file.status().message();
}

TEST(ReadPdf, ALoopOfPagesEnds) {
  std::string pdf = testing::MakePdf({"x", "y"});
  pdf.replace(pdf.find("/Kids[4 0 R"), 11, "/Kids[2 0 R");
  (void)ReadPdf(Bytes(pdf));  // it returns
  std::string many = testing::MakePdf({"x"});
  many.replace(many.find("/Count 1"), 8, "/Count 2000000000");
  (void)ReadPdf(Bytes(many));
}

TEST(WithJoinedHyphens, JoinsWordsOnly) {
  EXPECT_EQ(WithJoinedHyphens("inter-\nruption"), "interruption");
  EXPECT_EQ(WithJoinedHyphens("Jean-\nPaul"), "Jean-\nPaul");
  EXPECT_EQ(WithJoinedHyphens("1990-\nto"), "1990-\nto");
  EXPECT_EQ(WithJoinedHyphens("a -\nb, well-known-\n"), "a -\nb, well-known-\n");
  EXPECT_EQ(WithJoinedHyphens("-\nx"), "-\nx");
}

}  // namespace
}  // namespace kvlink::retrieval

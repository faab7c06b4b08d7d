// A source read whole and in pieces: the same hashes, the same documents (retrieval/read_source.h).
#include "retrieval/read_source.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/tiny_model.h"

namespace kvlink::retrieval {
namespace {

int64_t CountBytes(std::string_view text) { return static_cast<int64_t>(text.size()) / 4; }

class ReadSourceTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& text, const std::string& name = "all.jsonl") {
    const std::string path = dir_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  // Everything that splitting gives, as one text.
  static std::string Describe(const SourceBytes& source, const ReadOptions& options) {
    std::string out;
    const auto file =
        SplitSource(FileSystem::Posix(), source, options, CountBytes, [&](const SourceDocument& d) {
          out += d.id + " " + d.title + " " + std::to_string(d.begin) + "-" +
                 std::to_string(d.end) + "\n" + d.text + "\n";
          return Status();
        });
    if (!file.ok()) return file.status().message();
    for (const std::string& note : file->notes) out += note + "\n";
    for (const std::string& failure : file->failures) out += failure + "\n";
    return out + file->content_hash + file->state.bytes_hash;
  }

  testing::TempDir dir_;
  ReadOptions whole_, pieces_{.most_whole_bytes = 0};
};

// Some lines of each kind, more than a piece of reading.
std::string ManyLines() {
  std::string text;
  for (int i = 0; i < 9000; ++i) {
    text +=
        i % 1000 == 7    ? "no JSON\n"
        : i % 1000 == 8  ? "\n"
        : i % 1000 == 9  ? R"({"text": "data:image/png;base64,)" + std::string(120, 'A') + "\"}\n"
        : i % 1000 == 10 ? "{\"text\": \"\"}\n"
                         : R"({"title": "T", "text": "Größe )" + std::to_string(i) + " of it.\"}\n";
  }
  return text + R"({"text": "the last line, without its end"})";
}

TEST_F(ReadSourceTest, PiecesGiveWhatTheWholeGives) {
  const std::string path = Write(ManyLines());
  const auto whole = ReadSourceBytes(FileSystem::Posix(), path, whole_);
  const auto pieces = ReadSourceBytes(FileSystem::Posix(), path, pieces_);
  ASSERT_TRUE(whole.ok() && pieces.ok());
  EXPECT_FALSE(whole->in_pieces);
  EXPECT_TRUE(pieces->in_pieces);
  EXPECT_TRUE(pieces->bytes.empty());
  const std::string said = Describe(*pieces, pieces_);
  EXPECT_EQ(said, Describe(*whole, whole_));
  EXPECT_NE(said.find("line 8, column"), std::string::npos);
  EXPECT_NE(said.find("line 8008, column"), std::string::npos);
  EXPECT_NE(said.find("9 embedded files"), std::string::npos);
}

TEST_F(ReadSourceTest, WhatMayNotBeReadInPiecesIsReadWhole) {
  for (const std::string text :
       {"\xef\xbb\xbf{\"text\": \"a mark\"}\n", "{\"text\": \"caf\xe9\"}\n", "[1]\n", "",
        "{\"text\": \"cut \xc3"}) {
    const auto source = ReadSourceBytes(FileSystem::Posix(), Write(text), pieces_);
    ASSERT_TRUE(source.ok());
    EXPECT_FALSE(source->in_pieces) << text;
    EXPECT_EQ(source->bytes, text);
  }
  EXPECT_FALSE(ReadSourceBytes(FileSystem::Posix(), Write("{}", "a.txt"), pieces_)->in_pieces);
}

TEST_F(ReadSourceTest, AFileThatIsWrittenToMeanwhileCountsAsChanged) {
  const auto source = ReadSourceBytes(FileSystem::Posix(), Write("{\"text\": \"one\"}\n"), pieces_);
  ASSERT_TRUE(source.ok() && source->in_pieces);
  Write("{\"text\": \"two\"}\n");
  const auto file = SplitSource(FileSystem::Posix(), *source, pieces_, CountBytes,
                                [](const SourceDocument&) { return Status(); });
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->content_hash, "");
}

TEST_F(ReadSourceTest, WhatTakesADocumentMayStop) {
  const auto source = ReadSourceBytes(FileSystem::Posix(), Write(ManyLines()), pieces_);
  ASSERT_TRUE(source.ok());
  int taken = 0;
  const auto file = SplitSource(
      FileSystem::Posix(), *source, pieces_, CountBytes,
      [&](const SourceDocument&) { return ++taken == 3 ? Cancelled("enough") : Status(); });
  EXPECT_EQ(file.code(), StatusCode::kCancelled);
  EXPECT_EQ(taken, 3);
}

}  // namespace
}  // namespace kvlink::retrieval

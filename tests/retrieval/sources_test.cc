#include "retrieval/sources.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "retrieval/boundaries.h"
#include "retrieval/repaired_text.h"
#include "support/tiny_model.h"

namespace kvlink {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;
using testing::TempDir;

int64_t CountWords(std::string_view text) {
  int64_t words = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    words += !IsSpace(text[i]) && (i == 0 || IsSpace(text[i - 1]));
  }
  return words;
}

std::string Write(const std::string& path, std::string_view bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

Result<SourceFile> Read(const std::string& name, std::string_view bytes, int max_tokens = 200) {
  return ReadSourceText(name, bytes, {.max_tokens = max_tokens}, CountWords);
}

TEST(FindSources, WalksFoldersInOrder) {
  const TempDir dir;
  for (const char* name : {"b.txt", "a.md", "sub/c.jsonl", "sub/.hidden.txt", ".git/x.txt",
                           "image.png", "UPPER.TXT", "sub/deep/d.md"}) {
    Write(dir / name, "x");
  }
  const auto found = FindSources(FileSystem::Posix(), {dir.path()});
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->paths, (Strings{dir / "UPPER.TXT", dir / "a.md", dir / "b.txt",
                                   dir / "sub/c.jsonl", dir / "sub/deep/d.md"}));
}

TEST(FindSources, CountsWhatItDoesNotRead) {
  const TempDir dir;
  for (const char* name : {"a.txt", "b.PDF", "sub/c.pdf", "LICENSE", ".hidden.pdf", "d.docx"}) {
    Write(dir / name, "x");
  }
  const auto found = FindSources(FileSystem::Posix(), {dir.path(), dir / "sub"});
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->paths, Strings{dir / "a.txt"});
  EXPECT_EQ(found->others, (std::map<std::string, int64_t>{{"", 1}, {".docx", 1}, {".pdf", 2}}));
}

TEST(FindSources, KeepsTheOrderGivenAndDropsRepeats) {
  const TempDir dir;
  Write(dir / "a.txt", "x");
  Write(dir / "b.txt", "x");
  const auto found =
      FindSources(FileSystem::Posix(), {dir / "b.txt", "-", dir.path() + "/./", "-"});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->paths, (Strings{dir / "b.txt", "-", dir / "a.txt"}));
}

TEST(FindSources, SaysWhatIsWrong) {
  const TempDir dir;
  const std::string png = Write(dir / "x.png", "x");
  const auto missing = FindSources(FileSystem::Posix(), {dir / "nowhere"});
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("nowhere"), std::string::npos);
  const auto unknown = FindSources(FileSystem::Posix(), {png});
  EXPECT_EQ(unknown.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("x.png"), std::string::npos);
  EXPECT_EQ(FindSources(FileSystem::Posix(), {""}).code(), StatusCode::kInvalidArgument);
}

TEST(FindSources, FollowsNoLinkOutOfTheFolderNorInCircles) {
  const TempDir dir;
  Write(dir / "in/a.txt", "x");
  Write(dir / "in/sub/b.txt", "x");
  Write(dir / "out/secret.txt", "x");
  Write(dir / "inside-not/c.txt", "x");  // begins like "in", is not in it
  fs::create_symlink(dir / "out/secret.txt", dir / "in/link.txt");
  fs::create_symlink(dir / "inside-not/c.txt", dir / "in/c.txt");
  fs::create_symlink(dir / "out", dir / "in/folder");
  fs::create_symlink(dir / "in", dir / "in/sub/circle");
  fs::create_symlink(dir / "in/sub/b.txt", dir / "in/same.txt");
  const auto found = FindSources(FileSystem::Posix(), {dir / "in"});
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->paths, (Strings{dir / "in/a.txt", dir / "in/same.txt", dir / "in/sub/b.txt"}));
}

TEST(ReadSource, TitlesComeFromHeadingsOrTheName) {
  const TempDir dir;
  const std::string path = Write(dir / "ferry guide.md", "Intro.\n# Fares\nTen.\n");
  const auto file = ReadSource(FileSystem::Posix(), path, {}, CountWords);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->documents.size(), 2u);
  EXPECT_EQ(file->path, path);
  EXPECT_EQ(file->documents[0].title, "ferry guide");
  EXPECT_EQ(file->documents[1].title, "Fares");
  EXPECT_EQ(file->documents[1].text, "Ten.");
  EXPECT_EQ(file->documents[1].source, path);
  EXPECT_EQ(file->documents[1].id, DocumentId("Fares", "Ten."));
  EXPECT_EQ(Read("-", "Hello.")->documents[0].title, "");
  EXPECT_EQ(Read("/x/notes.v2.txt", "# Hello.")->documents[0].title, "notes.v2");
}

TEST(ReadSource, TellsMissingLargeAndBinaryFilesApart) {
  const TempDir dir;
  EXPECT_EQ(ReadSource(FileSystem::Posix(), dir / "a.txt", {}, CountWords).code(),
            StatusCode::kNotFound);
  const std::string path = Write(dir / "a.txt", "12345");
  EXPECT_EQ(ReadSource(FileSystem::Posix(), path, {.max_file_bytes = 4}, CountWords).code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(ReadSource(FileSystem::Posix(), path, {.max_file_bytes = 5}, CountWords).ok());
  const auto binary = Read("a.txt", std::string_view("ab\0c", 4));
  EXPECT_EQ(binary.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(binary.status().message().find("NUL at byte 2"), std::string::npos);
  const auto wide = Read("a.txt", std::string_view("\xff\xfe"
                                                   "a\0",
                                                   4));
  EXPECT_NE(wide.status().message().find("UTF-16"), std::string::npos);
}

TEST(ReadSource, AnEmptyFileGivesANote) {
  for (const std::string_view text : {"", " \n\n ", "\xef\xbb\xbf"}) {
    const auto file = Read("a.txt", text);
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE(file->documents.empty());
    ASSERT_EQ(file->notes.size(), 1u);
    EXPECT_NE(file->notes[0].find("is empty"), std::string::npos);
  }
}

TEST(ReadSource, ReplacesWhatIsNotUtf8AndKeepsRangesOfTheFile) {
  const std::string_view bytes =
      "\xef\xbb\xbf"
      "One \xff\xfe two.\n\nThree \xc3(.";
  const auto file = Read("a.txt", bytes, 3);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->notes, Strings{"a.txt: 3 bytes that are not UTF-8 were replaced"});
  ASSERT_EQ(file->documents.size(), 2u);
  const SourceDocument& first = file->documents[0];
  EXPECT_EQ(first.text, "One \uFFFD two.");
  EXPECT_EQ(bytes.substr(first.begin, first.end - first.begin), "One \xff\xfe two.");
  const SourceDocument& second = file->documents[1];
  EXPECT_EQ(second.text, "Three \uFFFD(.");
  EXPECT_EQ(bytes.substr(second.begin, second.end - second.begin), "Three \xc3(.");
}

TEST(ReadSource, ContentHashCoversBytesAndLimit) {
  const std::string hash = Read("a.txt", "Text.")->content_hash;
  EXPECT_EQ(hash.size(), 64u);
  EXPECT_EQ(Read("a.txt", "Text.")->content_hash, hash);
  EXPECT_NE(Read("a.txt", "Text!")->content_hash, hash);
  EXPECT_NE(Read("a.txt", "Text.", 199)->content_hash, hash);
}

TEST(ReadSource, JsonlGivesADocumentALine) {
  const std::string_view text =
      "{\"title\": \"A\", \"text\": \"First.\"}\r\n\n"
      "{\"contents\": \"Second.\", \"other\": [1, {}]}\n"
      "  {\"title\": null, \"content\": \"Third.\"}\n"
      "{\"title\": \"Blank\", \"text\": \" \"}\n"
      "{\"title\": \"Long\", \"text\": \"One two. Three four. Five six.\"}";
  const auto file = Read("/x/set.jsonl", text, 2);
  ASSERT_TRUE(file.ok()) << file.status().message();
  Strings titles, texts;
  for (const SourceDocument& d : file->documents) {
    titles.push_back(d.title);
    texts.push_back(d.text);
  }
  EXPECT_EQ(titles, (Strings{"A", "set", "set", "Long", "Long", "Long"}));
  EXPECT_EQ(texts,
            (Strings{"First.", "Second.", "Third.", "One two.", "Three four.", "Five six."}));
  const SourceDocument& first = file->documents[0];
  EXPECT_EQ(text.substr(first.begin, first.end - first.begin),
            "{\"title\": \"A\", \"text\": \"First.\"}");
  EXPECT_EQ(file->notes, Strings{"/x/set.jsonl: 1 line has no text and gave no document"});
}

TEST(ReadSource, JsonlNamesTheLineThatIsWrong) {
  const std::string good = "{\"text\": \"x\"}\n";
  const std::string deep = "{\"a\":" + std::string(99999, '[') + std::string(99999, ']') + "}";
  const struct {
    std::string_view line, expected;
  } cases[] = {
      {"{\"text\": \"x\"", "line 2: not JSON"},
      {"{\"text\": \"\\ud800\"}", "line 2: not JSON"},
      {"[1]", "line 2: an object"},
      {"{\"title\": \"x\"}", "line 2: there is no \"text\""},
      {"{\"text\": 5}", "line 2: \"text\" must be a string, number found"},
      {deep, "line 2: lists and objects within each other, deeper than 64"},
      {"{\"title\": [], \"text\": \"\"}", "line 2: \"title\" must be a string, array found"},
  };
  for (const auto& c : cases) {
    const auto file = Read("s.jsonl", good + std::string(c.line) + "\n" + good);
    EXPECT_EQ(file.code(), StatusCode::kInvalidArgument) << c.line;
    EXPECT_NE(file.status().message().find(c.expected), std::string::npos)
        << file.status().message();
    EXPECT_EQ(file.status().message().find('\n'), std::string::npos);
  }
}

TEST(ReadSource, StandardInputIsJsonlIfEveryLineIsAnObject) {
  EXPECT_EQ(Read("-", "{\"text\": \"a\"}\n\n{\"text\": \"b\"}")->documents.size(), 2u);
  EXPECT_EQ(Read("-", "{\"text\": \"a\"}\nplain")->documents[0].text, "{\"text\": \"a\"}\nplain");
  EXPECT_EQ(Read("-", "{not json}")->documents[0].text, "{not json}");
  EXPECT_EQ(Read("x.txt", "{\"text\": \"a\"}")->documents[0].text, "{\"text\": \"a\"}");
}

RC_GTEST_PROP(ReadSource, TakesAnyBytes, (const std::string& bytes)) {
  for (const char* name : {"a.txt", "a.md", "a.jsonl", "-"}) {
    const auto file = Read(name, bytes, 5);
    if (!file.ok()) {
      RC_ASSERT(file.code() == StatusCode::kInvalidArgument);
      continue;
    }
    for (const SourceDocument& d : file->documents) {
      RC_ASSERT(0 <= d.begin && d.begin < d.end && d.end <= static_cast<int64_t>(bytes.size()));
    }
  }
}

// Mending leaves whole characters where they were, and offsets find their way back.
RC_GTEST_PROP(RepairUtf8, OffsetsLeadBack, ()) {
  std::string bytes;
  for (const std::string& piece :
       *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
           "a", "\u00e4", "\u4e00", "\xff", "\xe4\xb8", "\x80", " "))) {
    bytes += piece;
  }
  const RepairedText repaired = RepairUtf8(bytes);
  RC_ASSERT(RepairUtf8(repaired.text).text == repaired.text);
  RC_ASSERT(repaired.SourceOffset(static_cast<int64_t>(repaired.text.size())) ==
            static_cast<int64_t>(bytes.size()));
  for (size_t i = 0; i < repaired.text.size(); ++i) {
    if (repaired.text[i] != 'a') continue;
    RC_ASSERT(bytes[static_cast<size_t>(repaired.SourceOffset(static_cast<int64_t>(i)))] == 'a');
  }
}

}  // namespace
}  // namespace kvlink

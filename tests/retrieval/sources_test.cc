#include "retrieval/sources.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "retrieval/boundaries.h"
#include "retrieval/repaired_text.h"
#include "support/read_source.h"
#include "support/tiny_model.h"

namespace kvlink::retrieval {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;
using testing::ReadSource;
using testing::ReadSourceText;
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
  EXPECT_EQ(found.failures, Strings{});
  EXPECT_EQ(found.paths, (Strings{dir / "UPPER.TXT", dir / "a.md", dir / "b.txt",
                                  dir / "sub/c.jsonl", dir / "sub/deep/d.md"}));
}

TEST(FindSources, CountsWhatItDoesNotRead) {
  const TempDir dir;
  for (const char* name : {"a.txt", "b.PNG", "sub/c.png", "LICENSE", ".hidden.png", "d.exe"}) {
    Write(dir / name, "x");
  }
  const auto found = FindSources(FileSystem::Posix(), {dir.path(), dir / "sub"});
  EXPECT_EQ(found.failures, Strings{});
  EXPECT_EQ(found.paths, Strings{dir / "a.txt"});
  EXPECT_EQ(found.others, (std::map<std::string, int64_t>{{"", 1}, {".exe", 1}, {".png", 2}}));
}

TEST(FindSources, KeepsTheOrderGivenAndDropsRepeats) {
  const TempDir dir;
  Write(dir / "a.txt", "x");
  Write(dir / "b.txt", "x");
  const auto found =
      FindSources(FileSystem::Posix(), {dir / "b.txt", "-", dir.path() + "/./", "-"});
  EXPECT_EQ(found.paths, (Strings{dir / "b.txt", "-", dir / "a.txt"}));
}

TEST(FindSources, NamesWhatIsWrongAndGoesOn) {
  const TempDir dir;
  const std::string png = Write(dir / "x.png", "x");
  const std::string good = Write(dir / "good.txt", "x");
  ASSERT_EQ(mkfifo((dir / "named.txt").c_str(), 0600), 0);
  const auto found = FindSources(FileSystem::Posix(),
                                 {dir / "nowhere", png, "", dir / "named.txt", good + "/x", good});
  EXPECT_EQ(found.paths, Strings{good});
  ASSERT_EQ(found.failures.size(), 5u);
  EXPECT_NE(found.failures[0].find("nowhere: there is no such file"), std::string::npos);
  EXPECT_NE(found.failures[1].find("x.png: its name is of no format that is read"),
            std::string::npos);
  EXPECT_NE(found.failures[2].find("a path is empty"), std::string::npos);
  EXPECT_NE(found.failures[3].find("named.txt: is a pipe"), std::string::npos);
  EXPECT_NE(found.failures[4].find("good.txt/x: there is no such file"), std::string::npos);
}

TEST(FindSources, OneBadEntryLeavesTheOthers) {
  const TempDir dir;
  Write(dir / "good.txt", "x");
  fs::create_symlink("loop.txt", dir / "loop.txt");
  fs::create_symlink("round", dir / "round");  // no text's name: nobody asked for it
  fs::create_symlink("nowhere.txt", dir / "dangling.txt");
  ASSERT_EQ(mkfifo((dir / "pipe.md").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  const auto found = FindSources(FileSystem::Posix(), {dir.path()});
  EXPECT_EQ(found.paths, Strings{dir / "good.txt"});
  EXPECT_TRUE(found.others.empty());
  ASSERT_EQ(found.failures.size(), 2u);
  std::string all = found.failures[0] + found.failures[1];
  EXPECT_NE(all.find("loop.txt"), std::string::npos);
  EXPECT_NE(all.find("pipe.md: is a pipe"), std::string::npos);
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
  EXPECT_EQ(found.failures, Strings{});
  EXPECT_EQ(found.paths, (Strings{dir / "in/a.txt", dir / "in/same.txt", dir / "in/sub/b.txt"}));
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
}

std::string Utf16(std::u16string_view text, bool little, bool mark) {
  std::string bytes;
  const auto put = [&](char16_t c) {
    const auto low = static_cast<char>(c & 0xff);
    const auto high = static_cast<char>(c >> 8);
    bytes += little ? low : high;
    bytes += little ? high : low;
  };
  if (mark) put(0xfeff);
  for (const char16_t c : text) put(c);
  return bytes;
}

TEST(ReadSource, ReadsOtherEncodingsAndSaysSo) {
  const std::string fares = "The caf\u00e9 of Mr M\u00fcller costs 5 \u20ac. It\u2019s closed.";
  const std::string western = "The caf\xe9 of Mr M\xfcller costs 5 \x80. It\x92s closed.";
  const auto file = Read("a.txt", western, 100);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->notes, Strings{"a.txt: is not UTF-8 and was read as windows-1252"});
  ASSERT_EQ(file->documents.size(), 1u);
  EXPECT_EQ(file->documents[0].text, fares);
  EXPECT_EQ(file->documents[0].end, static_cast<int64_t>(western.size()));
  const std::u16string wide = u"The caf\u00e9 of Oru.\n\nTwo \u6e21\u8239 \U0001F6A2 words.";
  for (const bool little : {true, false}) {
    for (const bool mark : {true, false}) {
      const std::string bytes = Utf16(wide, little, mark);
      const auto read = Read("a.txt", bytes, 4);
      ASSERT_TRUE(read.ok()) << read.status().message();
      EXPECT_EQ(read->notes, Strings{std::string("a.txt: is not UTF-8 and was read as UTF-16") +
                                     (little ? "LE" : "BE")});
      ASSERT_EQ(read->documents.size(), 2u);
      const SourceDocument& second = read->documents[1];
      EXPECT_EQ(read->documents[0].text, "The caf\u00e9 of Oru.");
      EXPECT_EQ(second.text, "Two \u6e21\u8239 \U0001F6A2 words.");
      // The range is the source's.
      EXPECT_EQ(bytes.substr(second.begin, second.end - second.begin),
                Utf16(wide.substr(wide.find(u"Two")), little, false));
    }
  }
}

TEST(ReadSource, TextsOfBlanksAloneGiveNoDocument) {
  for (const std::string_view text :
       {"\u00a0\n", "\u200b\n", "\u3000\n", "\u2028\u0085", "\ufeff\u2060"}) {
    const auto file = Read("a.txt", text);
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE(file->documents.empty()) << text;
  }
}

TEST(ReadSource, AFrontMattersTitleIsTheTitle) {
  const auto file =
      Read("a.md", "---\ntitle: \"The Ferry\"\ntags: [x]\n---\nIntro.\n## Fares\nTen.", 50);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(file->documents.size(), 2u);
  EXPECT_EQ(file->documents[0].title, "The Ferry");
  EXPECT_EQ(file->documents[0].text, "Intro.");
  EXPECT_EQ(file->documents[1].title, "The Ferry > Fares");
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
      {"{\"text\": \"x\"", "line 2, column 13: not JSON: syntax error"},
      {"  {\"text\": NaN}", "line 2, column 12: not JSON: syntax error"},
      {"{\"text\": \"\\ud800\"}", "line 2, column 17: not JSON"},
      {"[1]", "line 2: an object"},
      {"{\"title\": \"x\"}", "line 2: there is no \"text\""},
      {"{\"text\": 5}", "line 2: \"text\" must be a string, number found"},
      {deep, "line 2: lists and objects within each other, deeper than 64"},
      {"{\"title\": [], \"text\": \"\"}", "line 2: \"title\" must be a string, array found"},
  };
  for (const auto& c : cases) {
    const auto file = Read("s.jsonl", good + std::string(c.line) + "\n" + good);
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(file->documents.size(), 2u) << c.line;  // the lines around it
    ASSERT_EQ(file->failures.size(), 1u) << c.line;
    EXPECT_NE(file->failures[0].find("s.jsonl: " + std::string(c.expected)), std::string::npos)
        << file->failures[0];
    EXPECT_EQ(file->failures[0].find('\n'), std::string::npos);
    // A file of which nothing is right is one that cannot be read.
    const auto alone = Read("s.jsonl", "\n" + std::string(c.line) + "\n");
    EXPECT_EQ(alone.code(), StatusCode::kInvalidArgument) << c.line;
    EXPECT_NE(alone.status().message().find(c.expected), std::string::npos);
  }
}

TEST(ReadSource, JsonlKeysMayBeNamed) {
  const std::string line = "{\"body\": \"words\", \"name\": \"N\", \"text\": \"other\"}";
  ReadOptions options;
  options.keys = {"body", "name"};
  const auto file = ReadSourceText("s.jsonl", line, options, CountWords);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->documents.size(), 1u);
  EXPECT_EQ(file->documents[0].text, "words");
  EXPECT_EQ(file->documents[0].title, "N");
  EXPECT_NE(file->content_hash, Read("s.jsonl", line)->content_hash);
  EXPECT_NE(ReadSourceText("s.jsonl", "{\"text\": \"x\"}", options, CountWords)
                .status()
                .message()
                .find("there is no \"body\""),
            std::string::npos);
}

TEST(ReadSource, TitlesAreBoundedAndRepaired) {
  std::string title;
  for (int i = 0; i < 900; ++i) title += "word ";
  const auto file =
      Read("long.jsonl", "{\"title\": \"" + title + "\", \"text\": \"x\"}\n{\"text\": \"y\"}");
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(file->documents.size(), 2u);
  EXPECT_EQ(CountWords(file->documents[0].title), 50);  // a quarter of 200
  ASSERT_EQ(file->notes.size(), 1u);
  EXPECT_NE(file->notes[0].find("1 title of more than 50 tokens was cut"), std::string::npos);
  // The id is of the title as it will be kept.
  const auto latin = Read("caf\xe9.txt", "Text.");
  EXPECT_EQ(latin->documents[0].title, "caf\uFFFD");
  EXPECT_EQ(latin->documents[0].id, DocumentId("caf\uFFFD", "Text."));
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

const std::string kDataUri = "data:image/png;base64," + std::string(4000, 'A') + "+/==";

TEST(ReadSource, EmbeddedFilesAreLeftOut) {
  const std::string text = "# Mill\n\nThe mill ![a wheel](" + kDataUri +
                           ") grinds.\n\n# Inn\n\n<img src=\"" + kDataUri +
                           "\" alt=\"a bed\">\nIt has six rooms.\n";
  const auto file = Read("a.md", text);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->documents.size(), 2u);
  EXPECT_EQ(file->documents[0].text, "The mill ![a wheel]() grinds.");
  EXPECT_EQ(file->documents[1].text, "<img src=\"\" alt=\"a bed\">\nIt has six rooms.");
  const SourceDocument& mill = file->documents[0];
  EXPECT_EQ(text.substr(mill.begin, mill.end - mill.begin),
            "The mill ![a wheel](" + kDataUri + ") grinds.");
  ASSERT_EQ(file->notes.size(), 1u);
  EXPECT_NE(file->notes[0].find("2 embedded files"), std::string::npos);
  // What is said of them stays, and so does what is no base64.
  const std::string about =
      "Write data:text/plain;base64,SGVsbG8= or data: " + std::string(200, 'A') + ".";
  EXPECT_EQ(Read("a.txt", about)->documents[0].text, about);
}

// Leaving out leaves the way back as it was.
RC_GTEST_PROP(LeaveOutDataUris, OffsetsLeadBack, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("x ", "\u00e4", "\xff", " ", "(" + kDataUri + ")"));
  const bool wide = *rc::gen::arbitrary<bool>();
  std::string bytes = wide ? "\xff\xfe" : "";
  for (const std::string& piece : pieces) {
    if (!wide) bytes += piece;
    for (size_t i = 0; wide && i < piece.size(); ++i) bytes += {piece[i], '\0'};
  }
  RepairedText text = ReadText(bytes);
  const auto count = std::count(pieces.begin(), pieces.end(), "(" + kDataUri + ")");
  RC_ASSERT(LeaveOutDataUris(&text) == count);
  RC_ASSERT(text.text.find("data:") == std::string::npos);
  if (!text.text.empty()) {
    RC_ASSERT(text.SourceOffset(static_cast<int64_t>(text.text.size())) ==
              static_cast<int64_t>(bytes.size()));
  }
  for (size_t i = 0; i < text.text.size(); ++i) {
    if (text.text[i] != 'x') continue;
    RC_ASSERT(bytes[static_cast<size_t>(text.SourceOffset(static_cast<int64_t>(i)))] == 'x');
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
}  // namespace kvlink::retrieval

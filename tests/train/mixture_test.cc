// Mixtures: their files are found beside them, each fault is one line that names the field.
#include "train/mixture.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/tiny_model.h"

namespace kvlink::train {
namespace {

using testing::TempDir;

class MixtureFile : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"sets/a1.jsonl", "sets/a2.jsonl", "sets/b.txt"}) Write(name, "x");
  }
  void Write(const std::string& name, const std::string& contents) {
    const std::string path = folder_ / name;
    FileSystem& files = FileSystem::Posix();
    ASSERT_TRUE(
        files.CreateDirectories(path.substr(0, path.find_last_of('/')), FileAccess::kByUmask).ok());
    ASSERT_TRUE(WriteWholeFile(files, path, contents).ok());
  }
  Result<std::vector<MixturePart>> Read(const std::string& contents) {
    Write("mix.json", contents);
    return ReadMixture(FileSystem::Posix(), folder_ / "mix.json");
  }

  TempDir folder_;
};

TEST_F(MixtureFile, PartsHaveTheirFiles) {
  const auto parts = Read(R"({"about": "words", "parts": [
      {"data": "sets/a*.jsonl", "weight": 0.4, "kind": "qa-segments", "limit": 10},
      {"name": "prose", "data": "sets/b.txt", "weight": 2, "kind": "text"},
      {"data": "sets/a2.jsonl", "weight": 1, "kind": "summary", "piece_words": 50}]})");
  ASSERT_TRUE(parts.ok()) << parts.status().message();
  ASSERT_EQ(parts->size(), 3u);
  const MixturePart& a = (*parts)[0];
  EXPECT_EQ(a.files,
            (std::vector<std::string>{folder_ / "sets/a1.jsonl", folder_ / "sets/a2.jsonl"}));
  EXPECT_EQ(a.weight, 0.4);
  EXPECT_EQ(a.kind, PartKind::kQaSegments);
  EXPECT_EQ(a.limit, 10);
  EXPECT_EQ(a.name, "sets/a*.jsonl");
  EXPECT_EQ((*parts)[1].name, "prose");
  EXPECT_EQ((*parts)[1].kind, PartKind::kText);
  EXPECT_EQ((*parts)[2].piece_words, 50);
}

TEST_F(MixtureFile, FaultsNameTheField) {
  const std::pair<std::string, std::string> faults[] = {
      {"[]", "a JSON object {\"parts\": [..]} expected, array found"},
      {"{", "a JSON object {\"parts\": [..]} expected, found what is not JSON"},
      {"{}", "field \"parts\": an array of at least one part expected, nothing found"},
      {R"({"parts": []})", "field \"parts\": an array of at least one part expected, array found"},
      {R"({"part": []})", "parts and about expected, \"part\" found"},
      {R"({"parts": [1]})", "field \"parts[0]\": an object expected"},
      {R"({"parts": [{"weight": 1}]})", "field \"parts[0].data\": a path or a pattern"},
      {R"({"parts": [{"data": "sets/b.txt"}]})",
       "field \"parts[0].weight\": a number above 0 expected, nothing found"},
      {R"({"parts": [{"data": "sets/b.txt", "weight": 1}, {"data": "sets/b.txt", "weight": 0}]})",
       "field \"parts[1].weight\": a number above 0 expected, 0 found"},
      {R"({"parts": [{"data": "sets/b.txt", "weight": "x"}]})", "expected, \"x\" found"},
      {R"({"parts": [{"data": "sets/b.txt", "weight": 1, "kind": "qa"}]})",
       "field \"parts[0].kind\": qa-segments, qa-plain, chat, chat-plain, summary, text or "
       "by-example expected, \"qa\" found"},
      {R"({"parts": [{"data": "sets/b.txt", "weight": 1, "limit": -1}]})",
       "field \"parts[0].limit\": a whole number from 0 expected, -1 found"},
      {R"({"parts": [{"data": "sets/b.txt", "weight": 1, "limits": 1}]})", "\"limits\" found"},
      {R"({"parts": [{"data": "sets/c*", "weight": 1}]})", "no file fits this pattern"},
      {R"({"parts": [{"data": "sets/c.txt", "weight": 1}]})", "field \"parts[0].data\": "},
  };
  for (const auto& [contents, message] : faults) {
    const auto parts = Read(contents);
    ASSERT_FALSE(parts.ok()) << contents;
    EXPECT_TRUE(parts.status().message().starts_with(folder_ / "mix.json: "))
        << parts.status().message();
    EXPECT_NE(parts.status().message().find(message), std::string::npos)
        << parts.status().message();
    EXPECT_EQ(parts.status().message().find('\n'), std::string::npos);
  }
}

// The mixtures that ship name data that users bring; with it in place they are read.
TEST_F(MixtureFile, ExamplesAreWhole) {
  for (const auto& [name, weights] :
       {std::pair("default", std::vector<double>{0.5, 0.1, 0.2, 0.1, 0.1}),
        std::pair("paper", std::vector<double>{20, 30, 25, 10, 10, 5})}) {
    const std::string path =
        testing::TreePath(std::string("examples/mixtures/").append(name).append(".json"));
    const auto text = ReadWholeFile(FileSystem::Posix(), path, 1 << 20);
    ASSERT_TRUE(text.ok()) << text.status().message();
    const auto mixture = nlohmann::json::parse(*text);
    for (const auto& part : mixture["parts"]) {
      std::string file = part["data"].get<std::string>();
      file[file.find('*')] = 'a';
      Write(file, "x");
    }
    const auto parts = Read(*text);
    ASSERT_TRUE(parts.ok()) << parts.status().message();
    std::vector<double> found;
    for (const MixturePart& part : *parts) {
      found.push_back(part.weight);
      EXPECT_NE(part.kind, PartKind::kByExample) << part.name;
    }
    EXPECT_EQ(found, weights);
  }
}

TEST(Mixture, Patterns) {
  for (const auto& [name, pattern] :
       {std::pair("a.json", "*.json"), std::pair("a.json", "?.json"), std::pair("a.json", "*"),
        std::pair("abab", "*ab"), std::pair("aXbYc", "a*b*c"), std::pair("", "**")}) {
    EXPECT_TRUE(FitsPattern(name, pattern)) << name << " " << pattern;
  }
  for (const auto& [name, pattern] :
       {std::pair("a.json", "*.jsonl"), std::pair("", "?"), std::pair("ab", "a"),
        std::pair("a.json", "b*"), std::pair("aXc", "a*b*c")}) {
    EXPECT_FALSE(FitsPattern(name, pattern)) << name << " " << pattern;
  }
}

}  // namespace
}  // namespace kvlink::train

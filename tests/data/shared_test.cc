// The files of examples beside the tree, where they are: every one reads, in its own layout and
// with as many examples as its makers say; and the publishers' layouts give what the one shape
// holds.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>

#include "data/readers.h"
#include "support/tiny_model.h"

namespace kvlink::data {
namespace {

struct SharedFile {
  const char* path;
  size_t examples;
  const char* dataset;
  ExampleKind kind = ExampleKind::kQuestion;
};

std::vector<Example> ReadShared(const std::string& relative) {
  const std::string path = testing::SharedPath("data/" + relative);
  if (path.empty()) {
    std::printf("skipped: %s is not there (KVLINK_SHARED, or ../shared)\n", relative.c_str());
    return {};
  }
  auto examples = ReadExamples(FileSystem::Posix(), path, {});
  EXPECT_TRUE(examples.ok()) << examples.status().message();
  return examples.ok() ? *std::move(examples) : std::vector<Example>();
}

TEST(SharedData, EveryFileReads) {
  const SharedFile files[] = {
      {"dev/2wikimultihopqa.jsonl.gz", 493, "2wikimultihopqa"},
      {"dev/hotpotqa.jsonl.gz", 289, "hotpotqa"},
      {"dev/multinews.jsonl.gz", 200, "multinews", ExampleKind::kSummary},
      {"dev/musique.jsonl.gz", 99, "musique"},
      {"dev/nq.jsonl.gz", 300, "nq"},
      {"dev/popqa.jsonl.gz", 50, "popqa"},
      {"dev/samsum.jsonl.gz", 400, "samsum", ExampleKind::kSummary},
      {"dev/squad.jsonl.gz", 188, "squad"},
      {"dev/triviaqa.jsonl.gz", 50, "triviaqa"},
      {"train/2wikimultihopqa.jsonl.gz", 500, "2wikimultihopqa"},
      {"train/hotpotqa.jsonl.gz", 200, "hotpotqa"},
      {"train/musique.jsonl.gz", 100, "musique"},
      {"train/nq.jsonl.gz", 2154, "nq"},
      {"train/squad.jsonl.gz", 996, "squad"},
      {"raw/kag_hotpot_train100.json", 100, "kag_hotpot_train100"},
      {"raw/kag_musique_train100.json", 100, "kag_musique_train100"},
      {"raw/migres_2wiki_train500.json", 500, "migres_2wiki_train500"},
      {"raw/nq-open-oracle.jsonl.gz", 2655, "nq-open-oracle"},
      {"raw/xquad.en.json", 1190, "xquad.en"},
      {"text/wikitext2_test.txt", 0, "wikitext2_test", ExampleKind::kText},
      {"text/wikitext2_valid.txt", 0, "wikitext2_valid", ExampleKind::kText},
  };
  for (const SharedFile& file : files) {
    const std::vector<Example> examples = ReadShared(file.path);
    if (examples.empty()) continue;
    if (file.examples > 0) {
      EXPECT_EQ(examples.size(), file.examples) << file.path;
    }
    for (const Example& example : examples) {
      ASSERT_EQ(example.dataset, file.dataset);
      ASSERT_EQ(example.kind, file.kind) << file.path;
      ASSERT_FALSE(example.answers.empty());
      if (file.kind == ExampleKind::kText) continue;
      ASSERT_FALSE(example.documents.empty());
      ASSERT_FALSE(example.question.empty());
    }
  }
}

// The same questions in the publisher's layout and in the one shape: same documents, same gold.
TEST(SharedData, PublishersLayoutsGiveTheOneShape) {
  const std::pair<const char*, const char*> pairs[] = {
      {"raw/kag_hotpot_train100.json", "train/hotpotqa.jsonl.gz"},
      {"raw/migres_2wiki_train500.json", "train/2wikimultihopqa.jsonl.gz"},
      {"raw/kag_musique_train100.json", "train/musique.jsonl.gz"},
  };
  for (const auto& [raw, shape] : pairs) {
    const std::vector<Example> published = ReadShared(raw);
    std::map<std::string, Example> one_shape;
    for (Example& example : ReadShared(shape)) one_shape[example.id] = std::move(example);
    if (published.empty() || one_shape.empty()) continue;
    size_t same = 0;
    for (const Example& example : published) {
      const auto found = one_shape.find(example.id);
      if (found == one_shape.end()) continue;
      ++same;
      EXPECT_EQ(example.question, found->second.question);
      EXPECT_EQ(example.answers, found->second.answers) << example.id;
      EXPECT_EQ(example.gold, found->second.gold) << raw << " " << example.id;
      ASSERT_EQ(example.documents.size(), found->second.documents.size());
      for (size_t i = 0; i < example.documents.size(); ++i) {
        EXPECT_EQ(example.documents[i].title, found->second.documents[i].title);
        EXPECT_EQ(example.documents[i].text, found->second.documents[i].text);
      }
    }
    EXPECT_GE(same, 100u) << raw;
  }
}

}  // namespace
}  // namespace kvlink::data

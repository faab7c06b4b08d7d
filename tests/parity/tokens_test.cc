// Token ids against another implementation's, line by line, through the real vocabulary's reader.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "formats/gguf.h"
#include "model/config.h"
#include "support/tiny_model.h"
#include "text/template.h"
#include "text/tokenizer.h"

namespace kvlink {
namespace {

using nlohmann::json;

std::unique_ptr<text::Tokenizer> RealTokenizer(const std::string& path) {
  const auto file = formats::GgufFile::Open(FileSystem::Posix(), path);
  if (!file.ok()) {
    ADD_FAILURE() << file.status().message();
    return nullptr;
  }
  auto config = model::ReadTokenizerConfig(**file);
  if (!config.ok()) {
    ADD_FAILURE() << config.status().message();
    return nullptr;
  }
  auto tokenizer = text::Tokenizer::Create(*std::move(config));
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status().message();
    return nullptr;
  }
  return *std::move(tokenizer);
}

TEST(TokenParity, EveryLineOfTheReference) {
  const std::string model = testing::RealModelPath();
  const std::string lines = testing::SharedPath("parity/tokens.jsonl");
  if (model.empty()) GTEST_SKIP() << "skipped: the real model is not here (KVLINK_TEST_MODEL)";
  if (lines.empty()) GTEST_SKIP() << "skipped: parity/tokens.jsonl is not here (KVLINK_SHARED)";
  const std::unique_ptr<text::Tokenizer> tokenizer = RealTokenizer(model);
  ASSERT_NE(tokenizer, nullptr);

  std::ifstream file(lines);
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const json reference = json::parse(line);
    const std::string text = reference.at("text");
    const std::vector<int32_t> plain = tokenizer->Encode(text);
    EXPECT_EQ(plain, reference.at("plain").get<std::vector<int32_t>>()) << "line " << count + 1;
    EXPECT_EQ(tokenizer->EncodeSpecial(text), reference.at("special").get<std::vector<int32_t>>())
        << "line " << count + 1;
    EXPECT_EQ(tokenizer->Decode(plain), text) << "line " << count + 1;
  }
  EXPECT_GE(count, 1000);
}

TEST(TokenParity, TheRealVocabularyTakesChatMl) {
  const std::string model = testing::RealModelPath();
  if (model.empty()) GTEST_SKIP() << "skipped: the real model is not here (KVLINK_TEST_MODEL)";
  const std::unique_ptr<text::Tokenizer> tokenizer = RealTokenizer(model);
  ASSERT_NE(tokenizer, nullptr);
  const auto chosen = text::ChooseTemplate(*tokenizer);
  ASSERT_TRUE(chosen.ok()) << chosen.status().message();
  EXPECT_EQ(chosen->name, "chatml");
  const std::vector<int32_t> head = text::RenderPreamble(*chosen, *tokenizer, "", true);
  ASSERT_FALSE(head.empty());
  EXPECT_EQ(head.front(), tokenizer->Find("<|im_start|>"));
  // Bytes that this vocabulary lacks.
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("a\x13z\xFF")), "a\uFFFDz\uFFFD");
}

}  // namespace
}  // namespace kvlink

// Text that is not in normal form C: Qwen 2's tokenizer composes it first, the others take it as it
// is. Expected ids are those of PyPI's `tokenizers` (normal_form_golden.py).
#include "text/normal_form.h"

#include <gtest/gtest.h>

#include <string>

#include "text/normal_form_golden.h"
#include "text/small_vocabulary.h"

namespace kvlink::text {
namespace {

using ::kvlink::testing::AddMerge;
using ::kvlink::testing::AddToken;
using ::kvlink::testing::BytesOnly;
using ::kvlink::testing::kNormalFormGolden;
using ::kvlink::testing::kNormalFormMerges;
using ::kvlink::testing::MakeTokenizer;

std::unique_ptr<Tokenizer> WithMerges(const char* pre) {
  TokenizerConfig config = BytesOnly(pre);
  for (const auto& [left, right] : kNormalFormMerges) AddMerge(&config, left, right);
  return MakeTokenizer(config);
}

TEST(NormalForm, Qwen2EncodesAsItsOwnTokenizerDoes) {
  const auto tokenizer = WithMerges("qwen2");
  ASSERT_NE(tokenizer, nullptr);
  for (const auto& [text, ids] : kNormalFormGolden) EXPECT_EQ(tokenizer->Encode(text), ids) << text;
}

TEST(NormalForm, OtherTokenizersKeepTheSpelling) {
  for (const char* pre : {"smollm", "llama-bpe", "gpt-2"}) {
    const auto tokenizer = WithMerges(pre);
    for (const auto& [text, ids] : kNormalFormGolden) {
      EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text) << pre;
    }
  }
}

TEST(NormalForm, BytesThatAreNoTextPartWhatIsComposed) {
  const auto tokenizer = WithMerges("qwen2");
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("e\xff\xcc\x81 e\xcc\x81")),
            "e\xff\xcc\x81 \xc3\xa9");
}

TEST(NormalForm, WhatATemplateSpellsOutIsNotChangedByItsSeams) {
  TokenizerConfig config = BytesOnly("qwen2");
  AddToken(&config, "<|x|>", TokenType::kControl);
  const auto tokenizer = MakeTokenizer(config);
  const Tokenizer::Piece pieces[] = {{"e", true}, {"\xcc\x81", false}, {"<|x|>\xcc\x81", true}};
  EXPECT_EQ(tokenizer->Decode(tokenizer->EncodePieces(pieces)), "\xc3\xa9<|x|>\xcc\x81");
}

TEST(NormalForm, TextThatIsNormalIsNotCopied) {
  std::string out = "untouched";
  EXPECT_FALSE(ToNfc("plain", &out));
  EXPECT_FALSE(ToNfc("caf\xc3\xa9 \xe6\x97\xa5", &out));
  EXPECT_FALSE(ToNfc("", &out));
  EXPECT_EQ(out, "untouched");
  EXPECT_TRUE(ToNfc("cafe\xcc\x81", &out));
  EXPECT_EQ(out, "caf\xc3\xa9");
}

}  // namespace
}  // namespace kvlink::text

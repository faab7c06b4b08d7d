// Tokenizer::Create over vocabularies that are damaged or made to harm: each refusal names what is
// wrong and where.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "text/small_vocabulary.h"
#include "text/tokenizer.h"

namespace kvlink::text {
namespace {

using ::kvlink::testing::AddToken;
using ::kvlink::testing::BytesOnly;
using ::kvlink::testing::SmallVocabulary;

struct Case {
  const char* what;
  std::function<void(TokenizerConfig*)> damage;
  StatusCode code;
  std::string message;  // a part of it
};

TEST(CreateTokenizer, RefusesWithPlaceAndReason) {
  constexpr StatusCode kBad = StatusCode::kInvalidArgument;
  const Case kCases[] = {
      {"pre-tokenizer", [](auto* c) { c->pre = "tekken"; }, StatusCode::kUnsupported, "\"tekken\""},
      {"no pre-tokenizer", [](auto* c) { c->pre = ""; }, StatusCode::kUnsupported, "\"\""},
      {"no tokens", [](auto* c) { c->tokens.clear(), c->types.clear(); }, kBad,
       "tokenizer.ggml.tokens"},
      {"a type too few", [](auto* c) { c->types.pop_back(); }, kBad, "tokenizer.ggml.token_type"},
      {"a type too many", [](auto* c) { c->types.push_back(TokenType::kNormal); }, kBad,
       "tokenizer.ggml.token_type"},
      {"type 0", [](auto* c) { c->types[7] = TokenType(0); }, kBad, "token_type[7]"},
      {"type 9", [](auto* c) { c->types[8] = TokenType(9); }, kBad, "token_type[8]"},
      {"bos past the end", [](auto* c) { c->bos = static_cast<int32_t>(c->tokens.size()); }, kBad,
       "bos_token_id"},
      {"bos negative", [](auto* c) { c->bos = -2; }, kBad, "bos_token_id"},
      {"eos past the end", [](auto* c) { c->eos = INT32_MAX; }, kBad, "eos_token_id"},
      {"eos negative", [](auto* c) { c->eos = INT32_MIN; }, kBad, "eos_token_id"},
      {"eog past the end",
       [](auto* c) {
         c->end_of_generation = {0, INT32_MAX};
       },
       kBad, "end-of-generation"},
      {"eog none", [](auto* c) { c->end_of_generation = {-1}; }, kBad, "end-of-generation"},
      {"raw space in a token", [](auto* c) { AddToken(c, "a b"); }, kBad, "\"a b\""},
      {"character outside the alphabet", [](auto* c) { c->tokens[3] = "\u65E5"; }, kBad,
       "tokens[3]"},
      {"broken UTF-8 in a token", [](auto* c) { c->tokens[3] = "\xC3"; }, kBad, "tokens[3]"},
      {"merge without a space", [](auto* c) { c->merges[1] = "abc"; }, kBad, "merges[1]"},
      {"empty merge", [](auto* c) { c->merges[0] = ""; }, kBad, "merges[0]"},
      {"merge with two spaces", [](auto* c) { c->merges[2] = "a a a"; }, kBad, "merges[2]"},
      {"merge of nothing on the left", [](auto* c) { c->merges[2] = " a"; }, kBad, "merges[2]"},
      {"merge of nothing on the right", [](auto* c) { c->merges[2] = "a "; }, kBad, "merges[2]"},
      {"merge of an unknown token", [](auto* c) { c->merges[4] = "qqq a"; }, kBad, "\"qqq\""},
      {"merge into an unknown token", [](auto* c) { c->merges[4] = "q q"; }, kBad, "\"qq\""},
      {"merge into a control token",
       [](auto* c) {
         AddToken(c, "<|im_end|", TokenType::kNormal);
         c->merges.push_back("<|im_end| >");
       },
       kBad, "\"<|im_end|>\""},
      {"no token for U+FFFD's bytes",
       [](auto* c) {
         c->types[0x04] = TokenType::kUnused;
         c->types[0xBF] = TokenType::kUnused;
       },
       kBad, "no token for byte 4, and none for byte 191"},
  };
  for (const Case& c : kCases) {
    TokenizerConfig config = SmallVocabulary();
    c.damage(&config);
    const auto made = Tokenizer::Create(config);
    EXPECT_EQ(made.code(), c.code) << c.what;
    EXPECT_NE(made.status().message().find(c.message), std::string::npos)
        << c.what << ": " << made.status().message();
    EXPECT_EQ(made.status().message().find('\n'), std::string::npos) << c.what;
  }
  EXPECT_TRUE(Tokenizer::Create(SmallVocabulary()).ok());
}

TEST(CreateTokenizer, MessagesStayShortAndPrintable) {
  TokenizerConfig config = BytesOnly();
  AddToken(&config, "\x1B[31m\n\xFF" + std::string(100000, 'x'));
  const auto made = Tokenizer::Create(config);
  ASSERT_EQ(made.code(), StatusCode::kInvalidArgument);
  EXPECT_LT(made.status().message().size(), 300u);
  EXPECT_NE(made.status().message().find("\\x1b[31m\\x0a\\xff"), std::string::npos)
      << made.status().message();
}

TEST(CreateTokenizer, ToleratesWhatRealFilesHave) {
  TokenizerConfig config = BytesOnly();
  AddToken(&config, "");                                    // an empty token
  AddToken(&config, "a");                                   // a token twice
  AddToken(&config, "\u65E5 \n", TokenType::kUserDefined);  // raw text
  AddToken(&config, "\xFF", TokenType::kUnused);            // not even UTF-8
  AddToken(&config, "ab");
  config.merges = {"a b", "a b"};  // a merge twice
  const auto made = Tokenizer::Create(config);
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ((*made)->Decode((*made)->Encode("abc")), "abc");
}

}  // namespace
}  // namespace kvlink::text

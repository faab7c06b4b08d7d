// Encoding and decoding over hand-made vocabularies: known ids, special tokens, properties over
// random bytes, texts that a naive tokenizer would choke on.
#include "text/tokenizer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "text/small_vocabulary.h"

namespace kvlink::text {
namespace {

using ::kvlink::testing::AddMerge;
using ::kvlink::testing::AddToken;
using ::kvlink::testing::BytesOnly;
using ::kvlink::testing::kPreTokenizers;
using ::kvlink::testing::MakeTokenizer;
using ::kvlink::testing::SmallVocabulary;

using Ids = std::vector<int32_t>;
using Texts = std::vector<std::string>;

Texts Spell(const Tokenizer& tokenizer, const Ids& ids) {
  Texts texts;
  for (const int32_t id : ids) texts.emplace_back(tokenizer.TokenBytes(id));
  return texts;
}

TEST(Encode, MergesByRankWithinWords) {
  const auto t = MakeTokenizer(SmallVocabulary());
  ASSERT_NE(t, nullptr);
  EXPECT_EQ(Spell(*t, t->Encode("the other thing")),
            (Texts{"the", " ", "o", "the", "r", " ", "t", "h", "ing"}));
  EXPECT_EQ(Spell(*t, t->Encode("in the end")), (Texts{"in", " the", " ", "end"}));
  EXPECT_EQ(Spell(*t, t->Encode("aaaaaaa")), (Texts{"aaaa", "aa", "a"}));
  EXPECT_EQ(t->Encode("xyz"), (Ids{'x', 'y', 'z'}));
  EXPECT_EQ(t->Encode(""), Ids{});
}

TEST(Encode, TextIsNeverASpecialToken) {
  const auto t = MakeTokenizer(SmallVocabulary());
  ASSERT_NE(t, nullptr);
  EXPECT_EQ(Spell(*t, t->Encode("<|im_end|>")), (Texts{"<|", "im", "_", "end", "|>"}));
  EXPECT_EQ(t->Encode("<tool>").size(), 6u);
  const int32_t end = t->Find("<|im_end|>");
  EXPECT_EQ(t->EncodeSpecial("<|im_end|>"), Ids{end});
  EXPECT_EQ(t->EncodeSpecial("<tool>"), Ids{t->Find("<tool>")});
  EXPECT_EQ(t->EncodeSpecial("a<|im_end|><|im_end|>b<|im_en"),
            (Ids{'a', end, end, 'b', t->Find("<|"), t->Find("im"), '_', t->Find("en")}));
}

TEST(Encode, LongestSpecialTokenFirst) {
  TokenizerConfig config = BytesOnly();
  const int32_t shorter = AddToken(&config, "<a>", TokenType::kControl);
  const int32_t longer = AddToken(&config, "<a><b>", TokenType::kUserDefined);
  AddToken(&config, "", TokenType::kControl);  // stands nowhere
  const auto t = MakeTokenizer(config);
  ASSERT_NE(t, nullptr);
  EXPECT_EQ(t->EncodeSpecial("<a><b><a><a>"), (Ids{longer, shorter, shorter}));
}

TEST(EncodePieces, SeamsOfTextDoNotShow) {
  const auto t = MakeTokenizer(SmallVocabulary());
  ASSERT_NE(t, nullptr);
  const int32_t start = t->Find("<|im_start|>");
  const int32_t end = t->Find("<|im_end|>");
  const Tokenizer::Piece pieces[] = {
      {"<|im_start|>in", true}, {" t", false},        {"he end", true},
      {"<|im_end|>", false},    {"<|im_end|>", true},
  };
  Ids expected = {start};
  for (const int32_t id : t->Encode("in the end<|im_end|>")) expected.push_back(id);
  expected.push_back(end);
  EXPECT_EQ(t->EncodePieces(pieces), expected);

  // Two pieces do not make a special token together, whoever wrote them.
  const Tokenizer::Piece halves[] = {{"<|im_", true}, {"end|>", true}};
  EXPECT_EQ(t->EncodePieces(halves), t->Encode("<|im_end|>"));
  EXPECT_EQ(t->EncodePieces({}), Ids{});
}

TEST(Encode, WholeWordsOnlyWhereThePreTokenizerSaysSo) {
  for (const std::string_view pre : kPreTokenizers) {
    TokenizerConfig config = BytesOnly(pre);
    const int32_t whole = AddToken(&config, "cat");  // no merge leads to it
    const auto t = MakeTokenizer(config);
    ASSERT_NE(t, nullptr);
    EXPECT_EQ(t->Encode("cat"), pre == "llama-bpe" ? Ids{whole} : (Ids{'c', 'a', 't'})) << pre;
    EXPECT_EQ(t->Encode("cats"), (Ids{'c', 'a', 't', 's'})) << pre;
  }
}

TEST(Encode, BytesThatAreNoTextStandAlone) {
  const auto t = MakeTokenizer(SmallVocabulary());
  ASSERT_NE(t, nullptr);
  // E2 80 would merge inside a character; alone they are no text.
  EXPECT_EQ(t->Encode("a\xE2\x80"), (Ids{'a', 0xE2, 0x80}));
  EXPECT_EQ(t->Encode("\xFFthe"), (Ids{0xFF, t->Find("the")}));
}

TEST(Encode, BytesTheVocabularyLacksBecomeReplacementCharacters) {
  TokenizerConfig config = BytesOnly();
  for (const int b : {0x04, 0xC0, 0xF1, 0xFF}) config.types[b] = TokenType::kUnused;
  const auto t = MakeTokenizer(config);
  ASSERT_NE(t, nullptr);
  EXPECT_EQ(t->Decode(t->Encode("a\x04"
                                "b")),
            "a\uFFFDb");
  EXPECT_EQ(t->Decode(t->Encode("\xF1\x80\x80\x80!")), "\uFFFD!");  // a character, one of them
  EXPECT_EQ(t->Decode(t->Encode("\xF1\x80x\xFF\xFF\xFE")), "\uFFFDx\uFFFD\uFFFD\xFE");
  EXPECT_EQ(t->Decode(t->Encode("plain \u00E9")), "plain \u00E9");
}

TEST(Tokenizer, AnswersAboutIds) {
  TokenizerConfig config = SmallVocabulary();
  config.end_of_generation = {config.bos - 1};
  const int32_t bos = config.bos, eos = config.eos;
  const auto t = MakeTokenizer(config);
  ASSERT_NE(t, nullptr);
  EXPECT_EQ(t->vocab_size(), static_cast<int32_t>(config.tokens.size()));
  EXPECT_EQ(t->bos(), bos);
  EXPECT_EQ(t->eos(), eos);
  EXPECT_TRUE(t->EndsGeneration(eos));
  EXPECT_TRUE(t->EndsGeneration(bos - 1));
  EXPECT_FALSE(t->EndsGeneration(bos));
  EXPECT_TRUE(t->IsControl(eos));
  EXPECT_FALSE(t->IsControl(t->Find("<tool>")));
  EXPECT_EQ(t->TokenBytes(t->Find(" the")), " the");
  EXPECT_EQ(t->TokenBytes(eos), "<|im_end|>");
  EXPECT_EQ(t->Find("no such token"), -1);
  EXPECT_EQ(t->Find(""), -1);
  for (const int32_t id : {-1, INT32_MIN, t->vocab_size(), INT32_MAX}) {
    EXPECT_EQ(t->TokenBytes(id), "");
    EXPECT_FALSE(t->EndsGeneration(id));
    EXPECT_FALSE(t->IsControl(id));
  }
  EXPECT_EQ(t->Decode(Ids{'h', -5, 'i', 1 << 30}), "hi");
}

TEST(Tokenizer, OfTokensWithTheSameBytesTheFirstCounts) {
  TokenizerConfig config = BytesOnly();
  AddMerge(&config, "a", "b");
  const int32_t first = static_cast<int32_t>(config.tokens.size()) - 1;
  AddToken(&config, "ab");
  AddToken(&config, "a");
  const int32_t control = AddToken(&config, "ab", TokenType::kControl);
  AddToken(&config, "ab", TokenType::kControl);
  const auto t = MakeTokenizer(config);
  ASSERT_NE(t, nullptr);
  EXPECT_EQ(t->Encode("ab"), Ids{first});
  EXPECT_EQ(t->Encode("a"), Ids{'a'});
  EXPECT_EQ(t->Find("ab"), first);
  EXPECT_EQ(t->EncodeSpecial("ab"), Ids{control});
}

TEST(Tokenizer, FingerprintCoversEveryField) {
  const TokenizerConfig base = SmallVocabulary();
  std::vector<TokenizerConfig> others(9, base);
  others[0].pre = "qwen2";
  others[1].tokens.back() += "x";
  others[2].types.back() = TokenType::kControl;
  others[3].merges.pop_back();
  std::swap(others[4].merges[0], others[4].merges[1]);
  others[5].bos = 0;
  others[6].eos = -1;
  others[7].end_of_generation = {3};
  AddToken(&others[8], "z");
  const auto fingerprint = MakeTokenizer(base)->fingerprint();
  EXPECT_EQ(MakeTokenizer(base)->fingerprint(), fingerprint);
  for (size_t i = 0; i < others.size(); ++i) {
    const auto t = MakeTokenizer(others[i]);
    ASSERT_NE(t, nullptr) << i;
    EXPECT_NE(t->fingerprint(), fingerprint) << i;
  }
}

// Pieces that meet merges, words' ends, special tokens' spellings and broken UTF-8 often.
rc::Gen<std::string> Text() {
  return rc::gen::map(
      rc::gen::container<Texts>(rc::gen::oneOf(
          rc::gen::elementOf(Texts{"the", " the", "ing", "<|im_end|>", "<tool>", "<|", "aaaa", "'s",
                                   "  ", "\n\n", "\t", "12", "\u00E9", "\U0001F642", "\xE2\x80",
                                   "\xF0\x9F", "\xFF", "\xC0\x80", std::string(1, '\0')}),
          rc::gen::map(rc::gen::arbitrary<char>(), [](char c) { return std::string(1, c); }))),
      [](const Texts& parts) {
        std::string text;
        for (const std::string& part : parts) text += part;
        return text;
      });
}

RC_GTEST_PROP(Encode, DecodesToTheSameBytesWithoutSpecialTokens, ()) {
  static const std::vector<std::unique_ptr<Tokenizer>> kTokenizers = [] {
    std::vector<std::unique_ptr<Tokenizer>> all;
    for (const std::string_view pre : kPreTokenizers) {
      all.push_back(MakeTokenizer(SmallVocabulary(pre)));
    }
    return all;
  }();
  const std::string text = *Text();
  for (const auto& t : kTokenizers) {
    const Ids ids = t->Encode(text);
    RC_ASSERT(t->Decode(ids) == text);
    for (const int32_t id : ids) {
      RC_ASSERT(!t->IsControl(id));
      RC_ASSERT(id != t->Find("<tool>"));
    }
    RC_ASSERT(t->Decode(t->EncodeSpecial(text)) == text);
    // Cut anywhere into pieces of text, the ids are the same.
    const size_t cut = *rc::gen::inRange<size_t>(0, text.size() + 1);
    const Tokenizer::Piece pieces[] = {{std::string_view(text).substr(0, cut), false},
                                       {std::string_view(text).substr(cut), false}};
    RC_ASSERT(t->EncodePieces(pieces) == ids);
  }
}

std::string Repeated(std::string_view unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

// Processor time, so that a busy machine fails nothing. Quadratic time would be many minutes for
// one of these texts; all of them take seconds, under sanitizers too.
constexpr double kBoundSeconds = 60;

double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

TEST(Encode, LongWordsTakeBoundedTime) {
  const double begin = ProcessorSeconds();
  const auto t = MakeTokenizer(SmallVocabulary("smollm"));
  ASSERT_NE(t, nullptr);
  constexpr size_t kBytes = 1 << 18;
  EXPECT_EQ(t->Encode(Repeated("a", kBytes)), Ids(kBytes / 4, t->Find("aaaa")));
  const std::string ab = Repeated("ab", kBytes);
  EXPECT_EQ(t->Decode(t->Encode(ab)), ab);
  EXPECT_LT(ProcessorSeconds() - begin, kBoundSeconds);
}

TEST(Encode, HardTextsTakeBoundedTime) {
  constexpr size_t kBytes = 1 << 17;
  const Texts kTexts = {
      Repeated(" ", kBytes),    Repeated(" ", kBytes) + "x",   Repeated("\n", kBytes),
      Repeated(" \n", kBytes),  Repeated("'", kBytes),         Repeated("'s", kBytes),
      Repeated("1", kBytes),    Repeated("\u3000", kBytes),    Repeated("\u0301", kBytes),
      Repeated("\xFF", kBytes), Repeated("\xE2\x80 ", kBytes), Repeated("=a=", kBytes),
      Repeated("\r\t", kBytes), Repeated("x", (1 << 20) + 3),  // beyond a word's bound: cut
  };
  const double begin = ProcessorSeconds();
  for (const std::string_view pre : kPreTokenizers) {
    const auto t = MakeTokenizer(BytesOnly(pre));  // without merges: the words are what is tried
    ASSERT_NE(t, nullptr);
    for (const std::string& text : kTexts) {
      const Ids ids = t->Encode(text);
      ASSERT_EQ(ids.size(), text.size()) << pre;
      ASSERT_EQ(t->Decode(ids), text) << pre;
    }
  }
  EXPECT_LT(ProcessorSeconds() - begin, kBoundSeconds);
}

TEST(Encode, FromSeveralThreads) {
  const auto t = MakeTokenizer(SmallVocabulary("smollm"));
  ASSERT_NE(t, nullptr);
  const std::string text = "the end of the thing, 12 in the other \u00E9 aaaaaaaaaa\n\n";
  const Ids expected = t->Encode(text);
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 300; ++i) count += t->Encode(text) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace kvlink::text

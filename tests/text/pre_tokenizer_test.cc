// Words of the four pre-tokenizers. The table's words come from another implementation (Hugging
// Face tokenizers with Oniguruma); the texts are the project's own.
#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "text/small_vocabulary.h"

namespace kvlink::text {
namespace {

using ::kvlink::testing::kPreTokenizers;

using Words = std::vector<std::string>;

Words Split(std::string_view name, std::string_view text, PreTokenizer::Options options = {}) {
  const auto made = PreTokenizer::Create(name, options);
  if (!made.ok()) {
    ADD_FAILURE() << made.status().message();
    return {};
  }
  std::vector<std::string_view> words;
  (*made)->Split(text, &words);
  return {words.begin(), words.end()};
}

struct Case {
  std::string_view text;
  Words smollm, llama_bpe, qwen2, gpt2;
};

const Case kCases[] = {
    {
        "don't I'll we've THEY'RE it'S",
        {"don", "'t", " I", "'ll", " we", "'ve", " THEY", "'", "RE", " it", "'", "S"},
        {"don", "'t", " I", "'ll", " we", "'ve", " THEY", "'RE", " it", "'S"},
        {"don", "'t", " I", "'ll", " we", "'ve", " THEY", "'RE", " it", "'S"},
        {"don", "'t", " I", "'ll", " we", "'ve", " THEY", "'", "RE", " it", "'", "S"},
    },
    {
        "year 2024, room 1234567: 3.14 and 1,000,000",
        {"year", " ", "2", "0", "2", "4", ",", " room", " ", "1", "2",
         "3",    "4", "5", "6", "7", ":", " ", "3",     ".", "1", "4",
         " and", " ", "1", ",", "0", "0", "0", ",",     "0", "0", "0"},
        {"year", " ", "202", "4",  ",",    " room", " ", "123", "456", "7", ":",
         " ",    "3", ".",   "14", " and", " ",     "1", ",",   "000", ",", "000"},
        {"year", " ", "2", "0", "2", "4", ",", " room", " ", "1", "2",
         "3",    "4", "5", "6", "7", ":", " ", "3",     ".", "1", "4",
         " and", " ", "1", ",", "0", "0", "0", ",",     "0", "0", "0"},
        {"year", " 2024", ",", " room", " 1234567", ":", " 3", ".", "14", " and", " 1", ",", "000",
         ",", "000"},
    },
    {
        "two  spaces   three ",
        {"two", " ", " spaces", "  ", " three", " "},
        {"two", " ", " spaces", "  ", " three", " "},
        {"two", " ", " spaces", "  ", " three", " "},
        {"two", " ", " spaces", "  ", " three", " "},
    },
    {
        "tab\tand\r\nnew\n\n\nlines  \n  end\n",
        {"tab", "\t", "and", "\r", "\n", "new", "\n\n", "\n", "lines", "  \n ", " end", "\n"},
        {"tab", "\tand", "\r\n", "new", "\n\n\n", "lines", "  \n", " ", " end", "\n"},
        {"tab", "\tand", "\r\n", "new", "\n\n\n", "lines", "  \n", " ", " end", "\n"},
        {"tab", "\t", "and", "\r", "\n", "new", "\n\n", "\n", "lines", "  \n ", " end", "\n"},
    },
    {
        "na\u00efve caf\u00e9 e\u0301 \u00c5ngstr\u00f6m",
        {"na\u00efve", " caf\u00e9", " e", "\u0301", " \u00c5ngstr\u00f6m"},
        {"na\u00efve", " caf\u00e9", " e", "\u0301", " \u00c5ngstr\u00f6m"},
        {"na\u00efve", " caf\u00e9", " e", "\u0301", " \u00c5ngstr\u00f6m"},
        {"na\u00efve", " caf\u00e9", " e", "\u0301", " \u00c5ngstr\u00f6m"},
    },
    {
        "\u6771\u4eac\u306b\u30ab\u30e9\u30b9\u304c12\u7fbd",
        {"\u6771\u4eac\u306b\u30ab\u30e9\u30b9\u304c", "1", "2", "\u7fbd"},
        {"\u6771\u4eac\u306b\u30ab\u30e9\u30b9\u304c", "12", "\u7fbd"},
        {"\u6771\u4eac\u306b\u30ab\u30e9\u30b9\u304c", "1", "2", "\u7fbd"},
        {"\u6771\u4eac\u306b\u30ab\u30e9\u30b9\u304c", "12", "\u7fbd"},
    },
    {
        "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
        {"\u0928\u092e\u0938", "\u094d", "\u0924", "\u0947", " \u0926", "\u0941", "\u0928",
         "\u093f", "\u092f", "\u093e"},
        {"\u0928\u092e\u0938", "\u094d\u0924", "\u0947", " \u0926", "\u0941\u0928", "\u093f\u092f",
         "\u093e"},
        {"\u0928\u092e\u0938", "\u094d\u0924", "\u0947", " \u0926", "\u0941\u0928", "\u093f\u092f",
         "\u093e"},
        {"\u0928\u092e\u0938", "\u094d", "\u0924", "\u0947", " \u0926", "\u0941", "\u0928",
         "\u093f", "\u092f", "\u093e"},
    },
    {
        "\u0645\u0631\u062d\u0628\u0627 \u0663\u0664\u0665",
        {"\u0645\u0631\u062d\u0628\u0627", " ", "\u0663", "\u0664", "\u0665"},
        {"\u0645\u0631\u062d\u0628\u0627", " ", "\u0663\u0664\u0665"},
        {"\u0645\u0631\u062d\u0628\u0627", " ", "\u0663", "\u0664", "\u0665"},
        {"\u0645\u0631\u062d\u0628\u0627", " \u0663\u0664\u0665"},
    },
    {
        "\U0001f642\U0001f469\u200d\U0001f467 ok \U0001f1e9\U0001f1ea!",
        {"\U0001f642\U0001f469\u200d\U0001f467", " ok", " \U0001f1e9\U0001f1ea!"},
        {"\U0001f642\U0001f469\u200d\U0001f467", " ok", " \U0001f1e9\U0001f1ea!"},
        {"\U0001f642\U0001f469\u200d\U0001f467", " ok", " \U0001f1e9\U0001f1ea!"},
        {"\U0001f642\U0001f469\u200d\U0001f467", " ok", " \U0001f1e9\U0001f1ea!"},
    },
    {
        "x=1;y+=2 // __init__(self)\n\treturn\n",
        {"x", "=", "1", ";", "y", "+=", "2", " //", " __", "init", "__(", "self", ")", "\n", "\t",
         "return", "\n"},
        {"x", "=", "1", ";y", "+=", "2", " //", " __", "init", "__(", "self", ")\n", "\treturn",
         "\n"},
        {"x", "=", "1", ";y", "+=", "2", " //", " __", "init", "__(", "self", ")\n", "\treturn",
         "\n"},
        {"x", "=", "1", ";", "y", "+=", "2", " //", " __", "init", "__(", "self", ")", "\n", "\t",
         "return", "\n"},
    },
    {
        "<|im_end|>not special",
        {"<|", "im", "_", "end", "|>", "not", " special"},
        {"<|", "im", "_end", "|>", "not", " special"},
        {"<|", "im", "_end", "|>", "not", " special"},
        {"<|", "im", "_", "end", "|>", "not", " special"},
    },
    {
        "\u00bd \u00b2 \u2167 \u2460x",
        {"\u00bd", " ", "\u00b2", " ", "\u2167", " ", "\u2460", "x"},
        {"\u00bd", " ", "\u00b2", " ", "\u2167", " ", "\u2460", "x"},
        {"\u00bd", " ", "\u00b2", " ", "\u2167", " ", "\u2460", "x"},
        {"\u00bd", " \u00b2", " \u2167", " \u2460", "x"},
    },
    {
        "a\u00a0b\u3000c\u180ed\u200be\302\205f",
        {"a", "\u00a0", "b", "\u3000", "c", "\u180e", "d", "\u200b", "e", "\302\205", "f"},
        {"a", "\u00a0b", "\u3000c", "\u180ed", "\u200be", "\302\205f"},
        {"a", "\u00a0b", "\u3000c", "\u180ed", "\u200be", "\302\205f"},
        {"a", "\u00a0", "b", "\u3000", "c", "\u180e", "d", "\u200b", "e", "\302\205", "f"},
    },
    {
        "she'\u017f 'S'll'x",
        {"she", "'", "\u017f", " '", "S", "'ll", "'", "x"},
        {"she", "'\u017f", " '", "S", "'ll", "'x"},
        {"she", "'\u017f", " '", "S", "'ll", "'x"},
        {"she", "'", "\u017f", " '", "S", "'ll", "'", "x"},
    },
    {
        "'''quoted''' --- ...!?\n\n",
        {"'''", "quoted", "'''", " ---", " ...!?", "\n\n"},
        {"'''", "quoted", "'''", " ---", " ...!?\n\n"},
        {"'''", "quoted", "'''", " ---", " ...!?\n\n"},
        {"'''", "quoted", "'''", " ---", " ...!?", "\n\n"},
    },
    {
        " \t \n \t x",
        {" \t \n \t", " x"},
        {" \t \n", " \t", " x"},
        {" \t \n", " \t", " x"},
        {" \t \n \t", " x"},
    },
    {
        "\ufeffBOM \u00ad soft",
        {"\ufeff", "BOM", " \u00ad", " soft"},
        {"\ufeffBOM", " \u00ad", " soft"},
        {"\ufeffBOM", " \u00ad", " soft"},
        {"\ufeff", "BOM", " \u00ad", " soft"},
    },
    {
        "1 2  3   4",
        {"1", " ", "2", "  ", "3", "   ", "4"},
        {"1", " ", "2", " ", " ", "3", "  ", " ", "4"},
        {"1", " ", "2", " ", " ", "3", "  ", " ", "4"},
        {"1", " 2", " ", " 3", "  ", " 4"},
    },
};

TEST(PreTokenizer, WordsOfAnotherImplementation) {
  for (const Case& c : kCases) {
    const std::pair<std::string_view, const Words&> kExpected[] = {
        {"smollm", c.smollm}, {"llama-bpe", c.llama_bpe}, {"qwen2", c.qwen2}, {"gpt-2", c.gpt2}};
    for (const auto& [name, words] : kExpected) {
      EXPECT_EQ(Split(name, c.text), words) << name;
      // Machine code and interpreter are two programs.
      EXPECT_EQ(Split(name, c.text, {.match_limit = 0, .jit = false}), words)
          << name << ", interpreted";
    }
  }
}

TEST(PreTokenizer, UnknownNameIsNamed) {
  const auto made = PreTokenizer::Create("deepseek\n-llm");
  ASSERT_EQ(made.code(), StatusCode::kUnsupported);
  EXPECT_NE(made.status().message().find("\"deepseek\\x0a-llm\""), std::string::npos)
      << made.status().message();
}

TEST(PreTokenizer, OnlyLlama3TakesWholeWords) {
  for (const std::string_view name : kPreTokenizers) {
    EXPECT_EQ((*PreTokenizer::Create(name))->takes_whole_words(), name == "llama-bpe") << name;
  }
}

TEST(PreTokenizer, RoughWordsWherePcre2GivesUp) {
  for (const bool jit : {true, false}) {
    // A limit of one step: some words cannot be found, none may be lost.
    const PreTokenizer::Options options = {.match_limit = 1, .jit = jit};
    for (const std::string_view name : kPreTokenizers) {
      const std::string text = "one \t two's  \n\u65E5\u672C\u3000x 12";
      std::string joined;
      for (const std::string& word : Split(name, text, options)) {
        EXPECT_FALSE(word.empty());
        joined += word;
      }
      EXPECT_EQ(joined, text) << name;
    }
  }
  // The interpreter's steps are defined, so the rough words are too.
  EXPECT_EQ(Split("gpt-2", "one \t two's  \n\u65E5\u672C x", {.match_limit = 1, .jit = false}),
            (Words{"one", " \t ", "two's", "  \n", "\u65E5\u672C", " ", "x"}));
}

RC_GTEST_PROP(PreTokenizer, WordsJoinToTheText, ()) {
  const auto bytes = *rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::elementOf(std::string(" \t\r\n'ast1.")), rc::gen::arbitrary<char>()));
  const std::string text = ToValidUtf8(bytes, nullptr);
  for (const std::string_view name : kPreTokenizers) {
    const Words words = Split(name, text);
    std::string joined;
    for (const std::string& word : words) {
      RC_ASSERT(!word.empty());
      RC_ASSERT(WellFormedEnd(word, 0) == word.size());
      joined += word;
    }
    RC_ASSERT(joined == text);
    RC_ASSERT(Split(name, text, {.match_limit = 0, .jit = false}) == words);
  }
}

}  // namespace
}  // namespace kvlink::text

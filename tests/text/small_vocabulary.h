// Hand-made vocabularies for the tokenizer's tests: the 256 bytes, chosen merges, special tokens.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace kvlink::testing {

inline int32_t AddToken(text::TokenizerConfig* config, std::string_view spelling,
                        text::TokenType type = text::TokenType::kNormal) {
  config->tokens.emplace_back(spelling);
  config->types.push_back(type);
  return static_cast<int32_t>(config->tokens.size()) - 1;
}

// In raw bytes; the merged token is added unless it is there.
inline void AddMerge(text::TokenizerConfig* config, std::string_view left, std::string_view right) {
  const std::string l = text::AlphabetFromBytes(left);
  const std::string r = text::AlphabetFromBytes(right);
  config->merges.push_back(l + " " + r);
  if (std::find(config->tokens.begin(), config->tokens.end(), l + r) == config->tokens.end()) {
    AddToken(config, l + r);
  }
}

// Id of a byte: its value.
inline text::TokenizerConfig BytesOnly(std::string_view pre = "gpt-2") {
  text::TokenizerConfig config;
  config.pre = pre;
  for (int b = 0; b < 256; ++b) {
    AddToken(&config, text::AlphabetFromBytes(std::string(1, static_cast<char>(b))));
  }
  return config;
}

// Some English, repeats, white space and UTF-8 merges, and ChatML's special tokens.
inline text::TokenizerConfig SmallVocabulary(std::string_view pre = "gpt-2") {
  text::TokenizerConfig config = BytesOnly(pre);
  const std::pair<std::string_view, std::string_view> kMerges[] = {
      {"h", "e"},           {"t", "he"},      {" ", "the"}, {"a", "a"},       {"aa", "aa"},
      {"i", "n"},           {"in", "g"},      {" ", " "},   {"  ", "  "},     {"\n", "\n"},
      {"e", "r"},           {"o", "n"},       {"<", "|"},   {"|", ">"},       {"i", "m"},
      {"p", "q"},           {"en", "d"},      {"e", "n"},   {"\xC3", "\xA9"}, {"\xE2", "\x80"},
      {"\xF0\x9F", "\x99"}, {"\xF0", "\x9F"}, {"=", "="},   {"==", "=="},     {"a", "b"},
      {"ab", "ab"},         {"'", "s"},       {"Q", "u"},   {"1", "2"},
  };
  for (const auto& [left, right] : kMerges) {
    for (const std::string_view part : {left, right}) {
      const std::string spelling = text::AlphabetFromBytes(part);
      if (std::find(config.tokens.begin(), config.tokens.end(), spelling) == config.tokens.end()) {
        AddToken(&config, spelling);
      }
    }
    AddMerge(&config, left, right);
  }
  AddToken(&config, "<|endoftext|>", text::TokenType::kControl);
  config.bos = AddToken(&config, "<|im_start|>", text::TokenType::kControl);
  config.eos = AddToken(&config, "<|im_end|>", text::TokenType::kControl);
  AddToken(&config, "<tool>", text::TokenType::kUserDefined);
  return config;
}

inline std::unique_ptr<text::Tokenizer> MakeTokenizer(const text::TokenizerConfig& config) {
  auto made = text::Tokenizer::Create(config);
  return made.ok() ? *std::move(made) : nullptr;
}

inline constexpr std::string_view kPreTokenizers[] = {"smollm", "llama-bpe", "qwen2", "gpt-2"};

}  // namespace kvlink::testing

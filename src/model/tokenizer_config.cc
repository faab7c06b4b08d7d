// The tokenizer's part of a GGUF file's metadata. Not here: how text becomes tokens
// (text/tokenizer.h), which also checks the merges and the words themselves.
#include <algorithm>
#include <string_view>
#include <utility>

#include "base/quote.h"
#include "model/config.h"

namespace kvlink::model {
namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
constexpr std::string_view kModel = "tokenizer.ggml.model";
constexpr std::string_view kPre = "tokenizer.ggml.pre";

std::string Place(const formats::GgufFile& file, std::string_view key) {
  return file.path() + ": key " + Quoted(key) + " at offset " +
         std::to_string(file.ValueOffset(key)) + " ";
}

// Converters write several names for the same expression.
Result<std::string> ReadPreTokenizer(const formats::GgufFile& file) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"smollm", "smollm"},      {"llama-bpe", "llama-bpe"}, {"llama3", "llama-bpe"},
      {"llama-v3", "llama-bpe"}, {"qwen2", "qwen2"},         {"deepseek-r1-qwen", "qwen2"},
      {"gpt-2", "gpt-2"},        {"gpt2", "gpt-2"},          {"phi-2", "gpt-2"}};
  const auto pre = file.GetString(kPre);
  if (pre.code() == StatusCode::kNotFound) {
    return Unsupported(file.path() + ": key " + Quoted(kPre) +
                       " is not in the file, so text cannot be split as the model learned it; "
                       "convert the model again with a newer converter");
  }
  if (!pre.ok()) return pre.status();
  for (const auto& [name, ours] : kNames) {
    if (*pre == name) return std::string(ours);
  }
  return Unsupported(Place(file, kPre) + "is " + Quoted(*pre) +
                     "; kvlink has smollm, llama-bpe, qwen2 and gpt-2");
}

bool LooksLikeControl(std::string_view token) {
  return (token.size() > 4 && token.starts_with("<|") && token.ends_with("|>")) || token == "<s>" ||
         token == "</s>" || token == "<unk>" || token == "<pad>";
}

Status ReadTypes(const formats::GgufFile& file, text::TokenizerConfig* config) {
  const size_t count = config->tokens.size();
  if (!file.arrays().contains(kTypes) && !file.scalars().contains(kTypes)) {
    // Without types a special token is known by its spelling alone.
    for (const std::string& token : config->tokens) {
      config->types.push_back(LooksLikeControl(token) ? text::TokenType::kControl
                                                      : text::TokenType::kNormal);
    }
    return {};
  }
  KVLINK_ASSIGN_OR_RETURN(const std::vector<int64_t> types, file.GetInts(kTypes));
  if (types.size() != count) {
    return InvalidArgument(Place(file, kTypes) + "has " + std::to_string(types.size()) +
                           " elements; expected one for each of the " + std::to_string(count) +
                           " tokens");
  }
  config->types.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (types[i] < 1 || types[i] > 6) {
      return InvalidArgument(Place(file, kTypes) + "gives token " + std::to_string(i) +
                             " the type " + std::to_string(types[i]) + "; expected 1 to 6");
    }
    config->types.push_back(static_cast<text::TokenType>(types[i]));
  }
  return {};
}

// -1 where the file has no such key.
Status ReadTokenId(const formats::GgufFile& file, std::string_view key, size_t tokens,
                   int32_t* id) {
  const auto value = file.GetInt(key);
  if (value.code() == StatusCode::kNotFound) {
    *id = -1;
    return {};
  }
  if (!value.ok()) return value.status();
  if (*value < 0 || static_cast<uint64_t>(*value) >= tokens) {
    return InvalidArgument(Place(file, key) + "is " + std::to_string(*value) +
                           "; the vocabulary has " + std::to_string(tokens) + " tokens");
  }
  *id = static_cast<int32_t>(*value);
  return {};
}

bool IsWellKnownEnd(std::string_view token) {
  static constexpr std::string_view kEnds[] = {"<|im_end|>",
                                               "<|eot_id|>",
                                               "<|eom_id|>",
                                               "<|endoftext|>",
                                               "<|end|>",
                                               "<|end_of_text|>",
                                               "<|end_of_turn|>",
                                               "</s>",
                                               "<end_of_turn>",
                                               "<end_of_utterance>",
                                               "<EOT>",
                                               "[EOT]",
                                               "<\uff5cend\u2581of\u2581sentence\uff5c>"};
  return std::find(std::begin(kEnds), std::end(kEnds), token) != std::end(kEnds);
}

Status ReadEnds(const formats::GgufFile& file, text::TokenizerConfig* config) {
  std::vector<int32_t>& ends = config->end_of_generation;
  for (const std::string_view key :
       {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    int32_t id = -1;
    KVLINK_RETURN_IF_ERROR(ReadTokenId(file, key, config->tokens.size(), &id));
    if (id >= 0) ends.push_back(id);
  }
  for (size_t i = 0; i < config->tokens.size(); ++i) {
    const text::TokenType type = config->types[i];
    const bool special = type == text::TokenType::kControl || type == text::TokenType::kUserDefined;
    if (special && IsWellKnownEnd(config->tokens[i])) ends.push_back(static_cast<int32_t>(i));
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  std::erase(ends, config->eos);
  return {};
}

// Settings of other tokenizers, or of what is not a prompt to be continued: add_eos_token and
// add_sep_token say how a finished text ends, and are passed over.
Status RefuseOtherTokenizing(const formats::GgufFile& file) {
  for (const std::string_view key :
       {"tokenizer.ggml.add_space_prefix", "tokenizer.ggml.remove_extra_whitespaces"}) {
    const auto value = file.GetBool(key);
    if (value.code() == StatusCode::kNotFound) continue;
    if (!value.ok()) return value.status();
    if (*value) {
      return Unsupported(Place(file, key) +
                         "is true: kvlink gives text to the model as it is; convert the model "
                         "again without it");
    }
  }
  constexpr std::string_view kCharsMap = "tokenizer.ggml.precompiled_charsmap";
  if (file.arrays().contains(kCharsMap)) {
    return Unsupported(Place(file, kCharsMap) +
                       "is there: kvlink does not rewrite text by a table of the file's");
  }
  return {};
}

Result<std::string> TextOr(const formats::GgufFile& file, std::string_view key,
                           std::string otherwise) {
  Result<std::string> text = file.GetString(key);
  if (text.code() == StatusCode::kNotFound) return otherwise;
  return text;
}

}  // namespace

Result<text::FilePrompt> ReadFilePrompt(const formats::GgufFile& file) {
  text::FilePrompt prompt;
  KVLINK_ASSIGN_OR_RETURN(prompt.chat_template, TextOr(file, "tokenizer.chat_template", ""));
  if (prompt.chat_template.empty()) {  // of several by name
    KVLINK_ASSIGN_OR_RETURN(prompt.chat_template,
                            TextOr(file, "tokenizer.chat_template.default", ""));
  }
  constexpr std::string_view kAddBos = "tokenizer.ggml.add_bos_token";
  const auto adds_bos = file.GetBool(kAddBos);
  if (adds_bos.ok()) {
    prompt.adds_bos = *adds_bos;
  } else if (adds_bos.code() != StatusCode::kNotFound) {
    return adds_bos.status();
  } else {
    // Files of Llama 3's vocabulary were made before there was such a key, and mean it.
    KVLINK_ASSIGN_OR_RETURN(const std::string pre, ReadPreTokenizer(file));
    if (pre == "llama-bpe") prompt.adds_bos = true;
  }
  return prompt;
}

Result<text::TokenizerConfig> ReadTokenizerConfig(const formats::GgufFile& file) {
  KVLINK_ASSIGN_OR_RETURN(const std::string model, file.GetString(kModel));
  if (model != "gpt2") {
    return Unsupported(Place(file, kModel) + "is " + Quoted(model) +
                       "; kvlink tokenises with 'gpt2' (byte-level BPE)");
  }
  KVLINK_RETURN_IF_ERROR(RefuseOtherTokenizing(file));
  text::TokenizerConfig config;
  KVLINK_ASSIGN_OR_RETURN(config.pre, ReadPreTokenizer(file));
  KVLINK_ASSIGN_OR_RETURN(config.tokens, file.GetStrings(kTokens));
  if (config.tokens.empty()) return InvalidArgument(Place(file, kTokens) + "has no tokens");
  const formats::TensorInfo* embedding = file.FindTensor("token_embd.weight");
  if (embedding != nullptr && static_cast<uint64_t>(embedding->shape[0]) != config.tokens.size()) {
    return InvalidArgument(Place(file, kTokens) + "has " + std::to_string(config.tokens.size()) +
                           " tokens; 'token_embd.weight' has " +
                           std::to_string(embedding->shape[0]) + " rows");
  }
  KVLINK_RETURN_IF_ERROR(ReadTypes(file, &config));
  KVLINK_ASSIGN_OR_RETURN(config.merges, file.GetStrings("tokenizer.ggml.merges"));
  const size_t count = config.tokens.size();
  KVLINK_RETURN_IF_ERROR(ReadTokenId(file, "tokenizer.ggml.bos_token_id", count, &config.bos));
  KVLINK_RETURN_IF_ERROR(ReadTokenId(file, "tokenizer.ggml.eos_token_id", count, &config.eos));
  KVLINK_RETURN_IF_ERROR(ReadEnds(file, &config));
  return config;
}

}  // namespace kvlink::model

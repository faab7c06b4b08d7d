// Checks of a vocabulary from a file of unknown origin, and what encoding needs of it.
#include "text/vocabulary.h"

#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/quote.h"
#include "text/byte_alphabet.h"

namespace kvlink::text {
namespace {

std::string At(std::string_view field, size_t index) {
  return "tokenizer.ggml." + std::string(field) + "[" + std::to_string(index) + "]";
}

std::string Range(size_t vocab) { return "0.." + std::to_string(vocab - 1); }

}  // namespace

Status CheckVocabulary(const TokenizerConfig& config) {
  const size_t vocab = config.tokens.size();
  if (vocab == 0 || vocab > INT32_MAX) {
    return InvalidArgument("tokenizer.ggml.tokens: expected 1 to 2147483647 tokens, found " +
                           std::to_string(vocab) + "; the vocabulary is damaged");
  }
  if (config.types.size() != vocab) {
    return InvalidArgument("tokenizer.ggml.token_type: expected one type for each of " +
                           std::to_string(vocab) + " tokens, found " +
                           std::to_string(config.types.size()) + "; the vocabulary is damaged");
  }
  for (size_t i = 0; i < vocab; ++i) {
    const int32_t type = static_cast<int32_t>(config.types[i]);
    if (type < 1 || type > 6) {
      return InvalidArgument(At("token_type", i) + ": expected 1..6, found " +
                             std::to_string(type) + "; the vocabulary is damaged");
    }
  }
  const auto check_id = [&](const std::string& name, int32_t id, int32_t lowest) -> Status {
    if (id >= lowest && (id < 0 || static_cast<size_t>(id) < vocab)) return {};
    return InvalidArgument(name + ": expected an id in " + Range(vocab) +
                           (lowest < 0 ? " or none" : "") + ", found " + std::to_string(id) +
                           "; the vocabulary is damaged");
  };
  KVLINK_RETURN_IF_ERROR(check_id("tokenizer.ggml.bos_token_id", config.bos, -1));
  KVLINK_RETURN_IF_ERROR(check_id("tokenizer.ggml.eos_token_id", config.eos, -1));
  for (const int32_t id : config.end_of_generation) {
    KVLINK_RETURN_IF_ERROR(check_id("an end-of-generation id", id, 0));
  }
  return {};
}

Result<std::vector<std::string>> ReadTokenBytes(const TokenizerConfig& config) {
  std::vector<std::string> bytes(config.tokens.size());
  for (size_t i = 0; i < config.tokens.size(); ++i) {
    if (config.types[i] != TokenType::kNormal) {
      bytes[i] = config.tokens[i];
      continue;
    }
    std::optional<std::string> spelled = BytesFromAlphabet(config.tokens[i]);
    if (!spelled) {
      return InvalidArgument(At("tokens", i) + ": " + Quoted(config.tokens[i]) +
                             " has a character outside GPT-2's byte alphabet; expected it in a "
                             "control or user-defined token only");
    }
    bytes[i] = *std::move(spelled);
  }
  return bytes;
}

Result<MergeTable> ReadMerges(const TokenizerConfig& config) {
  // Only normal tokens merge: no merge can make a control token out of text.
  std::unordered_map<std::string_view, int32_t> by_spelling;
  by_spelling.reserve(config.tokens.size());
  for (size_t i = 0; i < config.tokens.size(); ++i) {
    if (config.types[i] == TokenType::kNormal && !config.tokens[i].empty()) {
      by_spelling.emplace(config.tokens[i], static_cast<int32_t>(i));
    }
  }
  MergeTable table(config.merges.size());
  for (size_t i = 0; i < config.merges.size(); ++i) {
    const std::string_view merge = config.merges[i];
    const size_t space = merge.find(' ');
    if (space == std::string_view::npos) {
      return InvalidArgument(At("merges", i) + ": expected two tokens with a space between them, " +
                             "found " + Quoted(merge) + "; the vocabulary is damaged");
    }
    const std::string_view left = merge.substr(0, space);
    const std::string_view right = merge.substr(space + 1);
    const std::string both = std::string(left) + std::string(right);
    std::array<int32_t, 3> ids;
    const std::array<std::string_view, 3> spellings = {left, right, both};
    for (size_t j = 0; j < 3; ++j) {
      const auto found = by_spelling.find(spellings[j]);
      if (found == by_spelling.end()) {
        return InvalidArgument(At("merges", i) + ": " + Quoted(merge) + " needs the token " +
                               Quoted(spellings[j]) +
                               ", which is no normal token; the vocabulary is damaged");
      }
      ids[j] = found->second;
    }
    table.Insert(ids[0], ids[1], {static_cast<int32_t>(i), ids[2]});
  }
  return table;
}

Sha256Digest VocabularyFingerprint(const TokenizerConfig& config) {
  Sha256 hash;
  const auto number = [&](int64_t n) { hash.Field(static_cast<uint64_t>(n)); };
  hash.Field("kvlink tokenizer 1").Field(config.pre);
  number(static_cast<int64_t>(config.tokens.size()));
  for (const std::string& token : config.tokens) hash.Field(token);
  for (const TokenType type : config.types) number(static_cast<int32_t>(type));
  number(static_cast<int64_t>(config.merges.size()));
  for (const std::string& merge : config.merges) hash.Field(merge);
  number(config.bos);
  number(config.eos);
  number(static_cast<int64_t>(config.end_of_generation.size()));
  for (const int32_t id : config.end_of_generation) number(id);
  return hash.Finish();
}

}  // namespace kvlink::text

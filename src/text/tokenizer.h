// Byte-level BPE: text to token ids and back. Not here: where the vocabulary comes from
// (formats/gguf.h reads it) and where special tokens may stand (text/template.h decides).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "kvlink/status.h"

namespace kvlink::text {

// GGUF's tokenizer.ggml.token_type values.
enum class TokenType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct TokenizerConfig {
  std::string pre;                  // "smollm", "llama-bpe", "qwen2", "gpt-2"
  std::vector<std::string> tokens;  // [V], in the byte-level alphabet of GPT-2
  std::vector<TokenType> types;     // [V]
  std::vector<std::string> merges;  // "left right", best first
  int32_t bos = -1;                 // -1: none
  int32_t eos = -1;
  std::vector<int32_t> end_of_generation;  // further ids that end an answer (eot, eom)
};

// Immutable, so thread-safe.
class Tokenizer {
 public:
  // Errors: kUnsupported names a pre-tokenizer that is not one of the four; kInvalidArgument names
  // the first token, type, id or merge that is wrong, or a byte that no text could be spelled with.
  // Of tokens that stand for the same bytes the first counts.
  static Result<std::unique_ptr<Tokenizer>> Create(const TokenizerConfig& config);
  virtual ~Tokenizer() = default;

  // Text as text: nothing in it is taken for a special token, whatever it spells, and no token is
  // added. Any bytes are accepted, and the ids decode to the same bytes; with the pre-tokenizer
  // qwen2 to their normal form C, which is what the model learned. Some vocabularies lack bytes
  // (SmolLM2's: 21 that its training text did not have): a character with such a byte is encoded as
  // U+FFFD.
  virtual std::vector<int32_t> Encode(std::string_view text) const = 0;
  // A template's own text: special tokens (control and user-defined) in it are parsed, longest
  // first.
  virtual std::vector<int32_t> EncodeSpecial(std::string_view text) const = 0;
  // Pieces in order, as one text: only a literal piece's special tokens are parsed; the ordinary
  // text between two special tokens is encoded as a whole, across pieces, so that the seams of a
  // template do not change the tokens.
  struct Piece {
    std::string_view text;
    bool literal = false;
  };
  virtual std::vector<int32_t> EncodePieces(std::span<const Piece> pieces) const = 0;

  // The bytes a token stands for; empty for an id outside [0, V). A control token gives its
  // spelling.
  virtual std::string_view TokenBytes(int32_t id) const = 0;
  std::string Decode(std::span<const int32_t> ids) const;

  virtual int32_t vocab_size() const = 0;
  virtual int32_t bos() const = 0;
  virtual int32_t eos() const = 0;
  virtual bool EndsGeneration(int32_t id) const = 0;
  virtual bool IsControl(int32_t id) const = 0;
  virtual int32_t Find(std::string_view token) const = 0;  // id of a token's exact bytes, or -1
  virtual const Sha256Digest& fingerprint() const = 0;     // over everything in TokenizerConfig
};

}  // namespace kvlink::text

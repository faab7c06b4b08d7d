// Cuts text into words before byte-level BPE: no token reaches over a word's end. Not here: the
// merges (bpe.h). PCRE2 stays behind this header.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "kvlink/status.h"

namespace kvlink::text {

// Immutable, so thread-safe.
class PreTokenizer {
 public:
  struct Options {
    uint32_t match_limit = 0;  // PCRE2's bound on backtracking for one word; 0: its default
    bool jit = true;           // use machine code where PCRE2 can make it
  };
  // kUnsupported: not one of "smollm", "llama-bpe", "qwen2", "gpt-2".
  static Result<std::unique_ptr<PreTokenizer>> Create(std::string_view name,
                                                      const Options& options);
  static Result<std::unique_ptr<PreTokenizer>> Create(std::string_view name) {
    return Create(name, Options());
  }
  virtual ~PreTokenizer() = default;

  // Appends the words of `text`, in order and without a gap: together they are `text`, and none is
  // empty. Where PCRE2 gives up (its match limit), a word is a run of white space or of anything
  // else: rougher, never lost. REQUIRES: well-formed UTF-8
  virtual void Split(std::string_view text, std::vector<std::string_view>* words) const = 0;

  // A word that is a token as it stands is taken whole, whatever the merges say (Llama 3's
  // "ignore_merges").
  virtual bool takes_whole_words() const = 0;

  // Text is brought to normal form C before it is cut, as Qwen 2's tokenizer does it.
  virtual bool normalizes() const = 0;
};

}  // namespace kvlink::text

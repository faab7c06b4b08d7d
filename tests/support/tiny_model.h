// Tiny seeded models as GGUF bytes, so that tests go through the real reader; and a GGUF writer for
// hostile files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace kvlink::testing {

struct TinyModelOptions {
  uint64_t seed = 1;
  int layers = 2;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 16;
  int width = 48;  // E; need not be heads * head_dim
  int feed_forward = 80;
  int context = 4096;
  double rope_base = 10000;
  std::string rope_scaling;  // "", "linear", "yarn"
  double rope_factor = 1;
  std::vector<float> rope_freqs;  // not empty: the tensor rope_freqs.weight (llama3 divisors)
  bool tied = true;
  // Embedding, Q and K in Q8_0, V of layer 0 in BF16, all others in Q4_0: what K columns a matrix
  // has must be a multiple of 32.
  bool quantised = false;
  int lost_character = -1;  // a byte whose embedding is no number; needs tied = false to be alone
  std::string pre = "smollm";
  std::string architecture = "llama";
  std::string chat_template;  // Jinja; empty: none
  bool adds_bos = false;      // <|endoftext|> is the BOS then
};

// A llama-architecture GGUF v3 with random weights, F32 unless quantised (scaled so that logits
// spread) and a byte-level vocabulary: the 256 bytes, some merges of English, <|endoftext|>,
// <|im_start|>,
// <|im_end|>. Deterministic in the options.
std::string TinyModelGguf(const TinyModelOptions& options);

// Writes it to `directory`/name.gguf and returns the path.
std::string WriteTinyModel(const std::string& directory, const TinyModelOptions& options,
                           const std::string& name = "tiny");

// A folder that is removed with everything in it when the object goes.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Environment and places of what tests need from outside; empty if missing (then skip, saying so).
std::string RealModelPath();  // KVLINK_TEST_MODEL, or the default model's place
std::string TreePath(const std::string& relative);    // in this tree, always there
std::string SharedPath(const std::string& relative);  // KVLINK_SHARED, or ../shared beside the tree

}  // namespace kvlink::testing

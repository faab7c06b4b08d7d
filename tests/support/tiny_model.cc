// The tiny model's words and numbers. Not here: TempDir and the places of outside things.
#include "support/tiny_model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "base/dtype.h"
#include "base/random.h"
#include "support/gguf_writer.h"

namespace kvlink::testing {
namespace {

// What models of a seed are made of.
class Weights {
 public:
  explicit Weights(uint64_t seed) : random_(seed * 0x9e3779b97f4a7c15u + 0x1234567u) {}
  // Uniform with mean 0 and the given standard deviation.
  float Next(double deviation) {
    return static_cast<float>((2 * random_.NextUnit() - 1) * 1.7320508075688772 * deviation);
  }
  std::vector<float> Numbers(int64_t n, double deviation, double mean = 0) {
    std::vector<float> values(n);
    for (float& value : values) value = static_cast<float>(mean) + Next(deviation);
    return values;
  }

 private:
  Random random_;
};

std::string Utf8(int code_point) {  // below U+0800
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xc0 | (code_point >> 6)),
          static_cast<char>(0x80 | (code_point & 0x3f))};
}

// GPT-2's alphabet: the 188 printable Latin-1 bytes stand for themselves, the others, in order, for
// U+0100 and on. Token ids follow GPT-2's order too: printable ones first.
std::vector<std::string> ByteAlphabet() {
  std::vector<std::string> printable, others;
  for (int byte = 0; byte < 256; ++byte) {
    const bool shows = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
    if (shows) {
      printable.push_back(Utf8(byte));
    } else {
      others.push_back(Utf8(0x100 + static_cast<int>(others.size())));
    }
  }
  printable.insert(printable.end(), others.begin(), others.end());
  return printable;
}

// Merges, best first; each makes one token. "Ġ" is the alphabet's space.
const std::vector<std::string>& Merges() {
  static const auto* const kMerges = new std::vector<std::string>{
      "Ġ t",  "Ġ a",   "h e",  "i n",  "r e",   "o n",  "Ġt he", "e r",   "Ġ s",   "a t",  "Ġ w",
      "Ġ o",  "e n",   "Ġ c",  "i t",  "i s",   "a n",  "o r",   "e s",   "Ġ b",   "e d",  "Ġ f",
      "in g", "Ġ p",   "o u",  "Ġa n", "a l",   "a r",  "Ġt o",  "Ġ m",   "Ġo f",  "Ġ in", "Ġ d",
      "Ġ h",  "Ġan d", "i c",  "a s",  "l e",   "Ġt h", "i on",  "o m",   "l l",   "en t", "Ġ n",
      "Ġ l",  "s t",   "Ġ re", "v e",  "Ġ e",   "r o",  "l y",   "Ġb e",  "Ġ g",   "c t",  "Ġ is",
      "Ġw h", "Ġ he",  "Ġ on", "Ġs t", "Ġw as", "u r",  "u s",   "Ġf or", "Ġth at"};
  return *kMerges;
}

// Blocks of 32: a half-precision power of two, then codes of 8 bits, or of 4 (GGML's Q8_0 and
// Q4_0).
std::string Quantised(GgmlType type, const std::vector<float>& values) {
  const int bits = type == GgmlType::kQ8_0 ? 8 : 4, most = (1 << (bits - 1)) - 1;
  std::string out;
  for (size_t block = 0; block < values.size(); block += 32) {
    float largest = 1e-3f;
    for (size_t i = block; i < block + 32; ++i) largest = std::max(largest, std::abs(values[i]));
    const int exponent = static_cast<int>(std::ceil(std::log2(largest / static_cast<float>(most))));
    const int half = (exponent + 15) << 10;
    out += static_cast<char>(half & 0xff);
    out += static_cast<char>(half >> 8);
    const auto code = [&](size_t i) {
      return static_cast<int>(std::lround(std::ldexp(values[block + i], -exponent)));
    };
    for (size_t i = 0; bits == 8 && i < 32; ++i) out += static_cast<char>(code(i));
    for (size_t i = 0; bits == 4 && i < 16; ++i) {
      out += static_cast<char>((code(i) + 8) | (code(i + 16) + 8) << 4);
    }
  }
  return out;
}

std::string InBf16(const std::vector<float>& values) {
  std::string out;
  for (const float value : values) {
    const bf16_t rounded = ToBf16(value);
    out += static_cast<char>(rounded & 0xff);
    out += static_cast<char>(rounded >> 8);
  }
  return out;
}

}  // namespace

GgufWriter TinyModelWriter(const TinyModelOptions& o) {
  const std::string arch = o.architecture + ".";
  GgufWriter file;
  file.String("general.architecture", o.architecture);
  file.String("general.name", "tiny");
  file.U32(arch + "block_count", o.layers);
  file.U32(arch + "context_length", o.context);
  file.U32(arch + "embedding_length", o.width);
  file.U32(arch + "feed_forward_length", o.feed_forward);
  file.U32(arch + "attention.head_count", o.heads);
  file.U32(arch + "attention.head_count_kv", o.kv_heads);
  file.U32(arch + "attention.key_length", o.head_dim);
  file.U32(arch + "attention.value_length", o.head_dim);
  file.F32(arch + "attention.layer_norm_rms_epsilon", 1e-5f);
  file.F32(arch + "rope.freq_base", static_cast<float>(o.rope_base));
  file.U32(arch + "rope.dimension_count", o.head_dim);
  if (!o.rope_scaling.empty()) {
    file.String(arch + "rope.scaling.type", o.rope_scaling);
    file.F32(arch + "rope.scaling.factor", static_cast<float>(o.rope_factor));
  }

  std::vector<std::string> tokens = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  std::vector<int32_t> types(tokens.size(), 3);  // control
  for (std::string& byte : ByteAlphabet()) tokens.push_back(std::move(byte));
  for (std::string merge : Merges()) tokens.push_back(merge.erase(merge.find(' '), 1));
  types.resize(tokens.size(), 1);  // normal
  file.String("tokenizer.ggml.model", "gpt2");
  file.String("tokenizer.ggml.pre", o.pre);
  file.Strings("tokenizer.ggml.tokens", tokens);
  file.I32s("tokenizer.ggml.token_type", types);
  file.Strings("tokenizer.ggml.merges", Merges());
  if (!o.chat_template.empty()) file.String("tokenizer.chat_template", o.chat_template);
  if (o.adds_bos) file.Bool("tokenizer.ggml.add_bos_token", true);
  file.U32("tokenizer.ggml.bos_token_id", o.adds_bos ? 0 : 1);
  file.U32("tokenizer.ggml.eos_token_id", 2);

  const int64_t V = static_cast<int64_t>(tokens.size());
  const int64_t E = o.width, F = o.feed_forward;
  const int64_t q_rows = static_cast<int64_t>(o.heads) * o.head_dim;
  const int64_t kv_rows = static_cast<int64_t>(o.kv_heads) * o.head_dim;
  Weights random(o.seed);
  // A matrix of K inputs with deviation gain / sqrt(K) gives outputs of deviation `gain` for
  // normed inputs: 1.5 on Q and K spreads attention (scores of deviation about 2) without making
  // it hard. The embedding is small beside what the layers add, or a tied model would repeat its
  // last token.
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t columns, double gain) {
    const double deviation = gain / std::sqrt(static_cast<double>(columns));
    const std::vector<float> values = random.Numbers(rows * columns, deviation);
    if (!o.quantised) return file.F32Tensor(name, {rows, columns}, values);
    if (name == "blk.0.attn_v.weight") {
      return file.Tensor(name, GgmlType::kBF16, {rows, columns}, InBf16(values));
    }
    const bool fine = name.find("attn_q") != name.npos || name.find("attn_k") != name.npos;
    const GgmlType type = fine ? GgmlType::kQ8_0 : GgmlType::kQ4_0;
    file.Tensor(name, type, {rows, columns}, Quantised(type, values));
  };
  const auto norm = [&](const std::string& name) {
    file.F32Tensor(name, {E}, random.Numbers(E, 0.2, 1));
  };
  std::vector<float> embedding = random.Numbers(V * E, 0.3);
  if (o.lost_character >= 0) {
    const std::string character(1, static_cast<char>(o.lost_character));
    const auto row = std::find(tokens.begin(), tokens.end(), character) - tokens.begin();
    if (row < V)
      std::fill_n(embedding.begin() + row * E, E, std::numeric_limits<float>::quiet_NaN());
  }
  if (o.quantised) {
    file.Tensor("token_embd.weight", GgmlType::kQ8_0, {V, E},
                Quantised(GgmlType::kQ8_0, embedding));
  } else {
    file.F32Tensor("token_embd.weight", {V, E}, embedding);
  }
  for (int layer = 0; layer < o.layers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    norm(block + "attn_norm.weight");
    matrix(block + "attn_q.weight", q_rows, E, 1.5);
    matrix(block + "attn_k.weight", kv_rows, E, 1.5);
    matrix(block + "attn_v.weight", kv_rows, E, 1);
    matrix(block + "attn_output.weight", E, q_rows, 1);
    norm(block + "ffn_norm.weight");
    matrix(block + "ffn_gate.weight", F, E, 1.5);
    matrix(block + "ffn_up.weight", F, E, 1);
    matrix(block + "ffn_down.weight", E, F, 1);
  }
  norm("output_norm.weight");
  if (!o.tied) matrix("output.weight", V, E, 2);
  if (!o.rope_freqs.empty()) {
    file.F32Tensor("rope_freqs.weight", {static_cast<int64_t>(o.rope_freqs.size())}, o.rope_freqs);
  }
  return file;
}

std::string TinyModelGguf(const TinyModelOptions& options) {
  return TinyModelWriter(options).Build();
}

std::string WriteTinyModel(const std::string& directory, const TinyModelOptions& options,
                           const std::string& name) {
  const std::string path = directory + "/" + name + ".gguf";
  const std::string bytes = TinyModelGguf(options);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) {
    std::fprintf(stderr, "cannot write the tiny model to %s\n", path.c_str());
    std::abort();
  }
  return path;
}

}  // namespace kvlink::testing

// Hyperparameters from a GGUF file's metadata, checked against bounds and against the tensors.
// Not here: the tokenizer's part (model/tokenizer_config.cc), the fingerprint (fingerprint.cc).
#include "model/config.h"

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/quote.h"
#include "model/other_settings.h"
#include "tensor/quant.h"

namespace kvlink::model {
namespace {

// Far above any model of today; small enough that no product of two of them wraps.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxWidth = 65536;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxHeadDim = 4096;
constexpr int64_t kMaxFeedForward = 1 << 20;
constexpr int64_t kMaxVocab = 4'000'000;
constexpr int64_t kMaxContext = 1 << 28;

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

// Reads the keys of one architecture, each with its bounds.
class ConfigReader {
 public:
  ConfigReader(const formats::GgufFile& file, std::string architecture)
      : file_(file), architecture_(std::move(architecture)) {}

  std::string Key(std::string_view name) const { return architecture_ + "." + std::string(name); }
  bool Has(std::string_view name) const {
    const std::string key = Key(name);
    return file_.scalars().contains(key) || file_.arrays().contains(key);
  }
  Status Bad(std::string_view name, const std::string& what) const {
    return InvalidArgument(Place(name) + what);
  }
  Status NotComputed(std::string_view name, const std::string& what) const {
    return Unsupported(Place(name) + what + ", which kvlink does not compute");
  }

  Status Int(std::string_view name, int64_t least, int64_t most, int32_t* value) const {
    const std::string key = Key(name);
    if (file_.arrays().contains(key)) {
      return NotComputed(name, "is an array: layers of different sizes");
    }
    KVLINK_ASSIGN_OR_RETURN(const int64_t found, file_.GetInt(key));
    if (found < least || found > most) {
      return Bad(name, "is " + std::to_string(found) + "; expected " + std::to_string(least) +
                           " to " + std::to_string(most));
    }
    *value = static_cast<int32_t>(found);
    return {};
  }
  Status IntOr(std::string_view name, int64_t least, int64_t most, int64_t fallback,
               int32_t* value) const {
    if (Has(name)) return Int(name, least, most, value);
    *value = static_cast<int32_t>(fallback);
    return {};
  }
  // A finite number in (0, most].
  Status Positive(std::string_view name, double most, double* value) const {
    KVLINK_ASSIGN_OR_RETURN(const double found, file_.GetFloat(Key(name)));
    if (!(found > 0 && found <= most)) {
      return Bad(name, "is " + std::to_string(found) + "; expected a number above 0, at most " +
                           std::to_string(most));
    }
    *value = found;
    return {};
  }

 private:
  std::string Place(std::string_view name) const {
    const std::string key = Key(name);
    const uint64_t offset = file_.ValueOffset(key);
    return file_.path() + ": key " + Quoted(key) +
           (offset > 0 ? " at offset " + std::to_string(offset) + " " : " ");
  }

  const formats::GgufFile& file_;
  const std::string architecture_;
};

Status ReadSizes(const ConfigReader& keys, ModelConfig* config) {
  KVLINK_RETURN_IF_ERROR(keys.Int("block_count", 1, kMaxLayers, &config->layers));
  KVLINK_RETURN_IF_ERROR(keys.Int("embedding_length", 1, kMaxWidth, &config->width));
  KVLINK_RETURN_IF_ERROR(
      keys.Int("feed_forward_length", 1, kMaxFeedForward, &config->feed_forward));
  KVLINK_RETURN_IF_ERROR(keys.Int("context_length", 1, kMaxContext, &config->context_tokens));
  KVLINK_RETURN_IF_ERROR(keys.Int("attention.head_count", 1, kMaxHeads, &config->heads));
  KVLINK_RETURN_IF_ERROR(
      keys.IntOr("attention.head_count_kv", 1, config->heads, config->heads, &config->kv_heads));
  if (config->heads % config->kv_heads != 0) {
    return keys.Bad("attention.head_count_kv", "is " + std::to_string(config->kv_heads) +
                                                   ", which does not divide the " +
                                                   std::to_string(config->heads) + " heads");
  }
  if (keys.Has("attention.key_length")) {
    KVLINK_RETURN_IF_ERROR(keys.Int("attention.key_length", 1, kMaxHeadDim, &config->head_dim));
  } else {
    if (config->width % config->heads != 0 || config->width / config->heads > kMaxHeadDim) {
      return keys.Bad("attention.head_count",
                      "is " + std::to_string(config->heads) + ", which does not divide the width " +
                          std::to_string(config->width) + " into heads of at most " +
                          std::to_string(kMaxHeadDim));
    }
    config->head_dim = config->width / config->heads;
  }
  int32_t value_dim = 0;
  KVLINK_RETURN_IF_ERROR(
      keys.IntOr("attention.value_length", 1, kMaxHeadDim, config->head_dim, &value_dim));
  if (value_dim != config->head_dim) {
    return keys.NotComputed("attention.value_length", "is " + std::to_string(value_dim) +
                                                          ", other than the keys' " +
                                                          std::to_string(config->head_dim));
  }
  double epsilon = 0;
  KVLINK_RETURN_IF_ERROR(keys.Positive("attention.layer_norm_rms_epsilon", 1, &epsilon));
  config->norm_epsilon = static_cast<float>(epsilon);
  return {};
}

Status ReadRopeFrequencies(const formats::GgufFile& file, const formats::TensorInfo& tensor,
                           RopeConfig* rope) {
  const std::string place = file.path() + ": tensor 'rope_freqs.weight' at offset " +
                            std::to_string(tensor.header_offset) + " ";
  const std::vector<int64_t> expected = {rope->dims / 2};
  if (tensor.shape != expected) {
    return InvalidArgument(place + "has shape " + ShapeText(tensor.shape) + "; expected " +
                           ShapeText(expected) + " (half of the rotated dimensions)");
  }
  rope->divisors.resize(tensor.elements());
  tensor::Dequantize(tensor.type, tensor.data.data(), tensor.elements(), rope->divisors.data());
  for (size_t i = 0; i < rope->divisors.size(); ++i) {
    if (!(rope->divisors[i] > 0 && std::isfinite(rope->divisors[i]))) {
      return InvalidArgument(place + "divides frequency " + std::to_string(i) + " by " +
                             std::to_string(rope->divisors[i]) + "; expected a number above 0");
    }
  }
  return {};
}

Status ReadRope(const formats::GgufFile& file, const ConfigReader& keys, ModelConfig* config) {
  constexpr std::string_view kType = "rope.scaling.type";
  constexpr std::string_view kFactor = "rope.scaling.factor";
  constexpr std::string_view kOldFactor = "rope.scale_linear";  // files of 2023
  constexpr double kMaxFactor = 1e6;
  RopeConfig& rope = config->rope;
  KVLINK_RETURN_IF_ERROR(
      keys.IntOr("rope.dimension_count", 2, config->head_dim, config->head_dim, &rope.dims));
  if (rope.dims % 2 != 0) {
    return keys.Bad("rope.dimension_count",
                    "is " + std::to_string(rope.dims) + "; dimensions are rotated in pairs");
  }
  if (keys.Has("rope.freq_base")) {
    KVLINK_RETURN_IF_ERROR(keys.Positive("rope.freq_base", 1e12, &rope.base));
  }
  const std::string_view factor_key = keys.Has(kFactor) ? kFactor : kOldFactor;
  if (keys.Has(kType)) {
    KVLINK_ASSIGN_OR_RETURN(rope.scaling_name, file.GetString(keys.Key(kType)));
  } else if (keys.Has(factor_key)) {
    rope.scaling_name = "linear";  // what a factor without a type means
  }
  const std::string& name = rope.scaling_name;
  if (name == "linear") {
    KVLINK_RETURN_IF_ERROR(keys.Positive(factor_key, kMaxFactor, &rope.factor));
    rope.scaling = rope.factor == 1 ? RopeScaling::kNone : RopeScaling::kLinear;
  } else if (name == "yarn" || name == "longrope" || name == "dynamic") {
    rope.scaling = RopeScaling::kDependent;
    if (keys.Has(factor_key)) {
      KVLINK_RETURN_IF_ERROR(keys.Positive(factor_key, kMaxFactor, &rope.factor));
    }
  } else if (!name.empty() && name != "none" && name != "llama3") {
    return keys.NotComputed(kType, "is " + Quoted(name));
  }

  const formats::TensorInfo* frequencies = file.FindTensor("rope_freqs.weight");
  if (frequencies == nullptr) {
    if (name != "llama3") return {};
    return keys.Bad(kType,
                    "is 'llama3', but the tensor 'rope_freqs.weight' that holds its frequencies is "
                    "not in the file");
  }
  if (rope.scaling != RopeScaling::kNone) {
    return keys.NotComputed(kType, "is " + Quoted(name) + " beside the tensor 'rope_freqs.weight'");
  }
  rope.scaling = RopeScaling::kLlama3;
  if (name.empty() || name == "none") rope.scaling_name = "llama3";
  return ReadRopeFrequencies(file, *frequencies, &rope);
}

// Every tensor that the architecture needs, of the right shape, and none besides: one that were
// passed over (a bias, say) would give wrong text without a word.
Status CheckTensors(const formats::GgufFile& file, ModelConfig* config) {
  const int64_t E = config->width, F = config->feed_forward, D = config->head_dim;
  const int64_t q_rows = config->heads * D, kv_rows = config->kv_heads * D;
  const formats::TensorInfo* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr) {
    return InvalidArgument(file.path() + ": tensor 'token_embd.weight' is not in the file");
  }
  if (embedding->shape.size() != 2 || embedding->shape[0] > kMaxVocab) {
    return InvalidArgument(file.path() + ": tensor 'token_embd.weight' at offset " +
                           std::to_string(embedding->header_offset) + " has shape " +
                           ShapeText(embedding->shape) + "; expected [vocabulary, " +
                           std::to_string(E) + "] of at most " + std::to_string(kMaxVocab) +
                           " rows");
  }
  const int64_t V = embedding->shape[0];
  config->vocab = static_cast<int32_t>(V);
  config->tied_output = file.FindTensor("output.weight") == nullptr;

  std::set<std::string, std::less<>> used = {"rope_freqs.weight"};
  const auto check = [&](std::string name, const std::vector<int64_t>& shape) -> Status {
    const formats::TensorInfo* tensor = file.FindTensor(name);
    if (tensor == nullptr) {
      return InvalidArgument(file.path() + ": tensor " + Quoted(name) +
                             " is not in the file; the file is damaged, or another kind of model");
    }
    if (tensor->shape != shape) {
      return InvalidArgument(file.path() + ": tensor " + Quoted(name) + " at offset " +
                             std::to_string(tensor->header_offset) + " has shape " +
                             ShapeText(tensor->shape) + "; expected " + ShapeText(shape));
    }
    used.insert(std::move(name));
    return {};
  };
  KVLINK_RETURN_IF_ERROR(check("token_embd.weight", {V, E}));
  for (int32_t layer = 0; layer < config->layers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    KVLINK_RETURN_IF_ERROR(check(block + "attn_norm.weight", {E}));
    KVLINK_RETURN_IF_ERROR(check(block + "attn_q.weight", {q_rows, E}));
    KVLINK_RETURN_IF_ERROR(check(block + "attn_k.weight", {kv_rows, E}));
    KVLINK_RETURN_IF_ERROR(check(block + "attn_v.weight", {kv_rows, E}));
    KVLINK_RETURN_IF_ERROR(check(block + "attn_output.weight", {E, q_rows}));
    KVLINK_RETURN_IF_ERROR(check(block + "ffn_norm.weight", {E}));
    KVLINK_RETURN_IF_ERROR(check(block + "ffn_gate.weight", {F, E}));
    KVLINK_RETURN_IF_ERROR(check(block + "ffn_up.weight", {F, E}));
    KVLINK_RETURN_IF_ERROR(check(block + "ffn_down.weight", {E, F}));
  }
  KVLINK_RETURN_IF_ERROR(check("output_norm.weight", {E}));
  if (!config->tied_output) KVLINK_RETURN_IF_ERROR(check("output.weight", {V, E}));

  std::map<GgmlType, int64_t> matrices_of_type;
  for (const formats::TensorInfo& tensor : file.tensors()) {
    if (!used.contains(tensor.name)) {
      return Unsupported(file.path() + ": tensor " + Quoted(tensor.name) + " at offset " +
                         std::to_string(tensor.header_offset) + " is not one that a " +
                         std::to_string(config->layers) +
                         "-layer 'llama' uses; leaving it out would give wrong answers");
    }
    if (tensor.shape.size() == 2) ++matrices_of_type[tensor.type];
    if (tensor.name != "rope_freqs.weight") config->parameters += tensor.elements();
  }
  int64_t most = 0;
  for (const auto& [type, count] : matrices_of_type) {
    if (count <= most) continue;
    most = count;
    config->file_type = TraitsOf(static_cast<uint32_t>(type))->name;
  }
  return {};
}

// The vocabulary's words, where the file has them, must be as many as the embedding's rows.
Status CheckVocabulary(const formats::GgufFile& file, const ConfigReader& keys, int32_t vocab) {
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  const auto tokens = file.arrays().find(kTokens);
  if (tokens != file.arrays().end()) {
    const size_t count =
        std::visit([](const auto& values) { return values.size(); }, tokens->second);
    if (count != static_cast<size_t>(vocab)) {
      return InvalidArgument(file.path() + ": key " + Quoted(kTokens) + " at offset " +
                             std::to_string(file.ValueOffset(kTokens)) + " has " +
                             std::to_string(count) + " tokens; 'token_embd.weight' has " +
                             std::to_string(vocab) + " rows");
    }
  }
  int32_t stated = vocab;
  KVLINK_RETURN_IF_ERROR(keys.IntOr("vocab_size", 1, kMaxVocab, vocab, &stated));
  if (stated != vocab) {
    return keys.Bad("vocab_size", "is " + std::to_string(stated) + "; 'token_embd.weight' has " +
                                      std::to_string(vocab) + " rows");
  }
  return {};
}

}  // namespace

Result<ModelConfig> ReadModelConfig(const formats::GgufFile& file) {
  KVLINK_RETURN_IF_ERROR(CheckIsWhole(file));
  ModelConfig config;
  KVLINK_ASSIGN_OR_RETURN(config.architecture, file.GetString("general.architecture"));
  if (config.architecture != "llama") {
    return Unsupported(file.path() + ": key 'general.architecture' at offset " +
                       std::to_string(file.ValueOffset("general.architecture")) + " is " +
                       Quoted(config.architecture) + "; kvlink computes 'llama'");
  }
  if (const auto name = file.GetString("general.name"); name.ok()) config.name = *name;
  const ConfigReader keys(file, config.architecture);
  KVLINK_RETURN_IF_ERROR(RefuseOtherSettings(file, config.architecture));
  KVLINK_RETURN_IF_ERROR(ReadSizes(keys, &config));
  KVLINK_RETURN_IF_ERROR(ReadRope(file, keys, &config));
  KVLINK_RETURN_IF_ERROR(CheckTensors(file, &config));
  KVLINK_RETURN_IF_ERROR(CheckVocabulary(file, keys, config.vocab));
  return config;
}

std::string WhyNotLinkable(const ModelConfig& config) {
  if (config.rope.scaling != RopeScaling::kDependent) return "";
  return "its rotation (" + config.rope.scaling_name +
         ") depends on the length of the prompt, so a document's keys are not the same at every "
         "place";
}

}  // namespace kvlink::model

#include "model/other_settings.h"

#include <algorithm>
#include <string>
#include <variant>

#include "base/quote.h"

namespace kvlink::model {
namespace {

constexpr std::string_view kSplitCount = "split.count";
constexpr std::string_view kSplitNumber = "split.no";
constexpr std::string_view kSplitTensors = "split.tensors.count";

// Read elsewhere, or without effect on what a pass computes.
constexpr std::string_view kKnown[] = {
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_epsilon",  // of models that have no RMS norm
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "expert_used_count",  // of no experts
    "feed_forward_length",
    "pooling_type",  // of embeddings of texts
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "vocab_size"};

// Without effect at this value, or at `unset`.
struct Neutral {
  std::string_view name;
  double value, unset;
};
constexpr Neutral kNeutral[] = {{"attention.causal", 1, 1},
                                {"attention.output_scale", 1, 0},
                                {"attention.temperature_scale", 1, 0},
                                {"embedding_scale", 1, 0},
                                {"logit_scale", 1, 0},
                                {"residual_scale", 1, 0},
                                {"rope.scaling.alpha", 1, 0},
                                {"rope.scaling.attn_factor", 1, 0}};

std::string Place(const formats::GgufFile& file, std::string_view key) {
  return file.path() + ": key " + Quoted(key) + " at offset " +
         std::to_string(file.ValueOffset(key)) + " ";
}

Status NotComputed(const formats::GgufFile& file, std::string_view key, const std::string& what) {
  return Unsupported(Place(file, key) + what + ", which kvlink does not compute");
}

Status RefuseUnlessNeutral(const formats::GgufFile& file, std::string_view key,
                           std::string_view name, const formats::GgufScalar& scalar) {
  if (const auto* text = std::get_if<std::string>(&scalar)) {
    // Rows of Q and K in the order that rotates neighbours, which every such file has.
    if (name == "tensor_data_layout" && *text == "Meta AI original pth") return {};
    if (text->empty()) return {};
    return NotComputed(file, key, "is " + Quoted(*text));
  }
  Neutral neutral{name, 0, 0};
  for (const Neutral& known : kNeutral) {
    if (known.name == name) neutral = known;
  }
  const auto* flag = std::get_if<bool>(&scalar);
  const double value = flag != nullptr ? (*flag ? 1 : 0) : *file.GetFloat(key);
  if (value == neutral.value || value == neutral.unset) return {};
  return NotComputed(
      file, key,
      flag != nullptr ? (*flag ? "is true" : "is false") : "is " + std::to_string(value));
}

}  // namespace

Status CheckIsWhole(const formats::GgufFile& file) {
  const auto count = file.GetInt(kSplitCount);
  if (count.code() != StatusCode::kNotFound) {
    if (!count.ok()) return count.status();
    if (*count > 1) {
      const auto number = file.GetInt(kSplitNumber);
      return Unsupported(Place(file, kSplitCount) + "is " + std::to_string(*count) +
                         ": this is part " +
                         (number.ok() ? std::to_string(*number + 1) + " of " : "one of ") +
                         std::to_string(*count) +
                         " of a split model; join the parts into one file (gguf-split --merge) "
                         "and give that");
    }
  }
  const auto tensors = file.GetInt(kSplitTensors);
  if (tensors.code() == StatusCode::kNotFound) return {};
  if (!tensors.ok()) return tensors.status();
  if (*tensors == 0 || *tensors == static_cast<int64_t>(file.tensors().size())) return {};
  return InvalidArgument(Place(file, kSplitTensors) + "says that the model has " +
                         std::to_string(*tensors) + " tensors, and the file has " +
                         std::to_string(file.tensors().size()) +
                         "; give the whole model in one file (gguf-split --merge)");
}

Status RefuseOtherSettings(const formats::GgufFile& file, std::string_view architecture) {
  const std::string prefix = std::string(architecture) + ".";
  const auto scaling = file.GetString(prefix + "rope.scaling.type");
  const bool yarn = scaling.ok() && *scaling == "yarn";  // refused as a whole where it is used
  const auto is_known = [yarn](std::string_view name) {
    if (yarn && name.starts_with("rope.scaling.yarn_")) return true;
    return std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
  };
  for (const auto& [key, scalar] : file.scalars()) {
    if (!key.starts_with(prefix)) continue;
    const std::string_view name = std::string_view(key).substr(prefix.size());
    if (!is_known(name)) KVLINK_RETURN_IF_ERROR(RefuseUnlessNeutral(file, key, name, scalar));
  }
  for (const auto& [key, array] : file.arrays()) {
    if (!key.starts_with(prefix)) continue;
    if (is_known(std::string_view(key).substr(prefix.size()))) continue;  // their readers say more
    return NotComputed(file, key, "is not a single number");
  }
  constexpr std::string_view kQuantisation = "general.quantization_version";
  constexpr int64_t kLayouts = 2;  // of all quantised types, since May 2023
  const auto layouts = file.GetInt(kQuantisation);
  if (layouts.ok() && *layouts != kLayouts) {
    for (const formats::TensorInfo& tensor : file.tensors()) {
      if (TraitsOf(static_cast<uint32_t>(tensor.type))->block_elements > 1) {
        return NotComputed(file, kQuantisation,
                           "is " + std::to_string(*layouts) +
                               ": quantised numbers laid out otherwise than "
                               "in version 2");
      }
    }
  }
  return {};
}

}  // namespace kvlink::model

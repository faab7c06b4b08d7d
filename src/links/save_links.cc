// SaveLinks. Refuses what LoadLinks would refuse, before anything is written.
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "formats/safetensors.h"
#include "links/checked_tensor.h"
#include "links/link_adapter.h"
#include "links/link_file.h"
#include "links/link_metadata.h"

namespace kvlink::links {
namespace {

using nlohmann::json;

// The link tokens as a tensor or a metadata field.
Status WriteTokens(const Links& links, const model::ModelConfig& config,
                   std::map<std::string, formats::SafeTensorToWrite>* tensors,
                   std::map<std::string, std::string>* metadata) {
  if (links.k < 0 || links.k > kMaxLinkTokens) {
    return InvalidArgument(
        Mismatch("k", "0 to " + std::to_string(kMaxLinkTokens), std::to_string(links.k)));
  }
  if (links.slots < 1 || links.slots > kMaxLinkSlots) {
    return InvalidArgument(
        Mismatch("slots", "1 to " + std::to_string(kMaxLinkSlots), std::to_string(links.slots)));
  }
  const bool by_id = !links.token_ids.empty();
  const size_t count = static_cast<size_t>(links.slots) * links.k;
  const size_t ids = by_id ? count : 0;
  const size_t floats = by_id ? 0 : count * config.width;
  if (links.token_ids.size() != ids || links.embeddings.size() != floats) {
    return InvalidArgument(Mismatch(
        "link tokens",
        std::to_string(ids) + " token ids and " + std::to_string(floats) + " numbers in embeddings",
        std::to_string(links.token_ids.size()) + " and " +
            std::to_string(links.embeddings.size())));
  }
  for (const int32_t id : links.token_ids) {
    if (id >= 0 && id < config.vocab) continue;
    return InvalidArgument(
        Mismatch("token_ids", "ids below " + std::to_string(config.vocab), std::to_string(id)));
  }
  KVLINK_RETURN_IF_ERROR(CheckFinite("link_embeddings", links.embeddings));
  if (by_id) {
    (*metadata)["token_ids"] = json(links.token_ids).dump();
  } else if (links.k > 0) {
    std::vector<int64_t> shape = {links.k, config.width};
    if (links.slots > 1) shape.insert(shape.begin(), links.slots);
    (*tensors)[std::string(kLinkEmbeddings)] = {.shape = shape, .values = links.embeddings};
  }
  return {};
}

Status Build(const Links& links, const model::ModelConfig& config,
             const std::string& provenance_json,
             std::map<std::string, formats::SafeTensorToWrite>* tensors,
             std::map<std::string, std::string>* metadata) {
  *metadata = {{"format", std::string(kLinkFormat)},
               {"version", std::to_string(kLinkVersion)},
               {"k", std::to_string(links.k)},
               {"base", links.base == Sha256Digest{} ? std::string(kAnyBase) : ToHex(links.base)}};
  KVLINK_RETURN_IF_ERROR(WriteTokens(links, config, tensors, metadata));
  if (links.adapter) {
    KVLINK_ASSIGN_OR_RETURN((*metadata)["adapter"], WriteAdapter(*links.adapter, config, tensors));
  }
  if (links.prompt_template) {
    std::string text = text::TemplateToJson(*links.prompt_template);
    KVLINK_RETURN_IF_ERROR(text::TemplateFromJson(text).status());
    (*metadata)["template"] = std::move(text);
  }
  if (!provenance_json.empty()) {
    KVLINK_RETURN_IF_ERROR(CheckObject("provenance", provenance_json));
    (*metadata)["provenance"] = provenance_json;
  }
  return {};
}

Status RoundToBf16(std::map<std::string, formats::SafeTensorToWrite>* tensors) {
  for (auto& [name, tensor] : *tensors) {
    tensor.dtype = "BF16";
    for (float& value : tensor.values) value = FromBf16(ToBf16(value));
    // The largest floats round to infinity.
    KVLINK_RETURN_IF_ERROR(CheckFinite("tensor \"" + name + "\" as bf16", tensor.values));
  }
  return {};
}

}  // namespace

Status SaveLinks(FileSystem& files, const std::string& path, const Links& links,
                 const model::ModelConfig& config, const std::string& provenance_json,
                 DType dtype) {
  std::map<std::string, formats::SafeTensorToWrite> tensors;
  std::map<std::string, std::string> metadata;
  Status status = Build(links, config, provenance_json, &tensors, &metadata);
  if (status.ok() && dtype == DType::kBF16) status = RoundToBf16(&tensors);
  if (!status.ok()) {
    return {status.code(), path + ": cannot save these links: " + status.message()};
  }
  return formats::WriteSafetensors(files, path, tensors, metadata);
}

}  // namespace kvlink::links

// The field "adapter" as JSON. Exceptions of nlohmann::json are off or cannot happen here.
#include "links/adapter_description.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/bounded_json.h"
#include "base/quote.h"
#include "links/checked_tensor.h"

namespace kvlink::links {
namespace {

using nlohmann::json;

constexpr double kMaxAlpha = 1e6;
constexpr std::string_view kField = "metadata \"adapter\"";
constexpr std::string_view kFields[] = {"rank", "alpha", "scope", "targets", "layers"};

Status Wrong(std::string_view field, std::string_view expected, const json& found) {
  const std::string text = found.is_null()
                               ? "nothing"
                               : Quoted(found.dump(-1, ' ', false, json::error_handler_t::replace));
  return InvalidArgument(
      Mismatch(std::string(kField) + ": field " + Quoted(field), expected, text));
}

Result<std::vector<model::Projection>> ReadTargets(const json& list) {
  std::string expected = "a list, without repeats, of";
  for (const ProjectionName& name : kProjectionNames) expected.append(" ").append(name.target);
  if (!list.is_array() || list.empty()) return Wrong("targets", expected, list);
  std::vector<model::Projection> projections;
  for (const json& target : list) {
    const auto* const text = target.get_ptr<const std::string*>();
    size_t projection = 0;
    while (projection < model::kProjections &&
           (text == nullptr || kProjectionNames[projection].target != *text))
      ++projection;
    if (projection == model::kProjections ||
        std::count(projections.begin(), projections.end(),
                   static_cast<model::Projection>(projection)) > 0) {
      return Wrong("targets", expected, target);
    }
    projections.push_back(static_cast<model::Projection>(projection));
  }
  std::sort(projections.begin(), projections.end());
  return projections;
}

// Null: all of the model's.
Result<std::vector<int32_t>> ReadLayers(const json& list, int32_t model_layers) {
  std::vector<int32_t> layers;
  if (list.is_null()) {
    for (int32_t layer = 0; layer < model_layers; ++layer) layers.push_back(layer);
    return layers;
  }
  const std::string expected =
      "a list of layers, ascending, from 0 to " + std::to_string(model_layers - 1);
  if (!list.is_array() || list.empty()) return Wrong("layers", expected, list);
  for (const json& layer : list) {
    if (!layer.is_number_unsigned() ||
        layer.get<uint64_t>() >= static_cast<uint64_t>(model_layers) ||
        (!layers.empty() && layer.get<int32_t>() <= layers.back())) {
      return Wrong("layers", expected, layer);
    }
    layers.push_back(layer.get<int32_t>());
  }
  return layers;
}

}  // namespace

Result<AdapterDescription> ReadDescription(std::string_view text, int32_t model_layers) {
  const json object = ParseBoundedJson<json>(text);
  if (!object.is_object()) {
    return InvalidArgument(Mismatch(kField, "a JSON object", Quoted(text)));
  }
  for (const auto& [name, value] : object.items()) {
    if (std::find(std::begin(kFields), std::end(kFields), name) == std::end(kFields)) {
      return InvalidArgument(Mismatch(kField, "the fields rank, alpha, scope, targets, layers",
                                      "the unknown field " + Quoted(name)));
    }
  }
  const auto field = [&](std::string_view name) {
    const auto at = object.find(name);
    return at == object.end() ? json() : *at;
  };
  AdapterDescription d;
  const json rank = field("rank");
  if (!rank.is_number_unsigned() || rank.get<uint64_t>() < 1 ||
      rank.get<uint64_t>() > kMaxAdapterRank) {
    return Wrong("rank", "a whole number from 1 to " + std::to_string(kMaxAdapterRank), rank);
  }
  d.rank = rank.get<int32_t>();
  const json alpha = field("alpha");
  d.alpha = alpha.is_number() ? alpha.get<double>() : 0;
  if (!(d.alpha > 0 && d.alpha <= kMaxAlpha)) {
    return Wrong("alpha", "a number above 0, at most 1000000", alpha);
  }
  const json scope = field("scope");
  if (scope == model::Name(model::AdapterScope::kEverywhere)) {
    d.scope = model::AdapterScope::kEverywhere;
  } else if (scope != model::Name(model::AdapterScope::kOutsideDocuments)) {
    return Wrong("scope", "\"outside_documents\" or \"everywhere\"", scope);
  }
  KVLINK_ASSIGN_OR_RETURN(d.projections, ReadTargets(field("targets")));
  KVLINK_ASSIGN_OR_RETURN(d.layers, ReadLayers(field("layers"), model_layers));
  return d;
}

std::string WriteDescription(const AdapterDescription& d, int32_t model_layers) {
  json targets = json::array();
  for (const model::Projection projection : d.projections) {
    targets.push_back(kProjectionNames[static_cast<size_t>(projection)].target);
  }
  json object = {{"rank", d.rank},
                 {"alpha", d.alpha},
                 {"scope", model::Name(d.scope)},
                 {"targets", std::move(targets)}};
  if (d.layers.size() != static_cast<size_t>(model_layers)) object["layers"] = d.layers;
  return object.dump();
}

}  // namespace kvlink::links

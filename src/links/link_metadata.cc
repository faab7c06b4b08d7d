// The gate as JSON. Exceptions of nlohmann::json are off here.
#include "links/link_metadata.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/bounded_json.h"
#include "base/quote.h"
#include "links/checked_tensor.h"

namespace kvlink::links {
namespace {

using nlohmann::json;

Result<json> ReadObject(std::string_view field, std::string_view text) {
  json object = ParseBoundedJson<json>(text);
  if (!object.is_object()) {
    return InvalidArgument(Mismatch(FieldName(field), "a JSON object", Quoted(text)));
  }
  return object;
}

// People read the summary on a terminal, which control characters can steer.
Status CheckSummary(std::string_view summary) {
  if (IsPrintableLine(summary)) return {};
  return InvalidArgument(
      Mismatch("metadata \"gate\": field \"summary\"", "one printable line", Quoted(summary)));
}

}  // namespace

std::string FieldName(std::string_view name) { return "metadata " + Quoted(name); }

Status CheckObject(std::string_view field, std::string_view text) {
  return ReadObject(field, text).status();
}

Result<QualityGate> ReadGate(std::string_view text) {
  KVLINK_ASSIGN_OR_RETURN(const json object, ReadObject("gate", text));
  const auto field = [&](const char* name) {
    const auto at = object.find(name);
    return at == object.end() ? json() : *at;
  };
  const json measured = field("measured"), passed = field("passed"), summary = field("summary");
  if (!measured.is_boolean() || !passed.is_boolean() || !summary.is_string()) {
    return InvalidArgument(
        Mismatch(FieldName("gate"), "measured: bool, passed: bool, summary: string", Quoted(text)));
  }
  QualityGate gate{.measured = measured.get<bool>(),
                   .passed = passed.get<bool>(),
                   .summary = summary.get<std::string>(),
                   .json = std::string(text),
                   .distrust = ""};
  if (gate.passed && !gate.measured) {
    return InvalidArgument(
        Mismatch(FieldName("gate"), "a gate that passed to be measured", Quoted(text)));
  }
  KVLINK_RETURN_IF_ERROR(CheckSummary(gate.summary));
  return gate;
}

}  // namespace kvlink::links

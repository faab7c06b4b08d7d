// The gate's record as JSON, and its place in the file. Exceptions of nlohmann::json are off here.
#include "links/gate.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/bounded_json.h"
#include "base/bytes.h"
#include "links/link_metadata.h"

namespace kvlink::links {
namespace {

using nlohmann::json;

constexpr uint64_t kGateVersion = 1;

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string Signature(bool passed, std::string_view summary, std::string_view model,
                      std::string_view links, std::string_view data, const json& figures) {
  Sha256 hash;
  hash.Field("kvlink-gate").Field(kGateVersion).Field(passed ? 1 : 0).Field(summary);
  hash.Field(model).Field(links).Field(data).Field(Dump(figures));
  return ToHex(hash.Finish());
}

}  // namespace

Sha256Digest LinksContentHash(const formats::SafetensorsFile& file) {
  Sha256 hash;
  hash.Field("kvlink-links-content").Field(kGateVersion);
  for (const auto& [name, value] : file.metadata()) {
    if (name != "gate") hash.Field(name).Field(value);
  }
  for (const auto& [name, tensor] : file.tensors()) {
    hash.Field(name).Field(tensor.dtype).Field(tensor.shape.size());
    for (const int64_t extent : tensor.shape) hash.Field(static_cast<uint64_t>(extent));
    hash.Field(tensor.data.size()).Update(tensor.data);
  }
  return hash.Finish();
}

Result<std::string> SignedGate(const GateRecord& record) {
  const json figures = ParseBoundedJson<json>(record.figures);
  if (!figures.is_object()) {
    return InvalidArgument("the gate's figures must be a JSON object; found " + record.figures);
  }
  const std::string model = ToHex(record.model), links = ToHex(record.links),
                    data = ToHex(record.data);
  const json gate = {
      {"measured", true},
      {"passed", record.passed},
      {"summary", record.summary},
      {"model", model},
      {"links", links},
      {"data", data},
      {"figures", figures},
      {"signature", Signature(record.passed, record.summary, model, links, data, figures)}};
  std::string text = Dump(gate);
  KVLINK_RETURN_IF_ERROR(ReadGate(text).status());
  return text;
}

Status VerifyGate(std::string_view gate, const Sha256Digest& model, const Sha256Digest& links) {
  const json object = ParseBoundedJson<json>(gate);
  const auto text = [&](const char* name) {
    const auto at = object.find(name);
    return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  const auto passed = object.find("passed"), figures = object.find("figures");
  if (text("signature").empty() || passed == object.end() || !passed->is_boolean() ||
      figures == object.end()) {
    return FailedPrecondition("it is not signed");
  }
  if (text("model") != ToHex(model)) return FailedPrecondition("it speaks of another base model");
  if (text("links") != ToHex(links)) return FailedPrecondition("it speaks of other links");
  if (text("signature") != Signature(passed->get<bool>(), text("summary"), text("model"),
                                     text("links"), text("data"), *figures)) {
    return FailedPrecondition("its figures were changed after it was signed");
  }
  return {};
}

std::string WhyNotGated(const Links* links) {
  if (links == nullptr) {
    return "not gated: no link file; how well this model answers over linked documents has not "
           "been measured";
  }
  const QualityGate& gate = links->gate;
  if (!gate.distrust.empty()) {
    return "not gated: the quality record of " + links->path +
           " is not believed: " + gate.distrust + "; measure again with: kvlink check --quality";
  }
  if (!gate.measured) {
    return "not gated: the link file " + links->path +
           " records no measured quality; measure it with: kvlink check --quality";
  }
  return gate.passed ? "" : "the quality gate of " + links->path + " fell short: " + gate.summary;
}

Status RecordGate(FileSystem& files, const std::string& path, const std::string& gate) {
  KVLINK_RETURN_IF_ERROR(ReadGate(gate).status());
  std::string contents;
  {
    // A copy, of which the checks of Open hold where the file did not change under them.
    KVLINK_ASSIGN_OR_RETURN(const auto file, formats::SafetensorsFile::Open(files, path));
    contents = AsText(file->bytes());
    KVLINK_RETURN_IF_ERROR(file->CheckUnchanged());
  }
  uint64_t length = 0;
  std::memcpy(&length, contents.data(), sizeof length);
  json header =
      json::parse(std::string_view(contents).substr(sizeof length, length), nullptr, false);
  if (!header.is_object()) return DataLoss(path + ": its header changed while it was read");
  header["__metadata__"]["gate"] = gate;
  std::string text = Dump(header);
  text.resize(static_cast<size_t>(RoundUp(static_cast<int64_t>(text.size()), 8)), ' ');
  contents.replace(sizeof length, length, text);
  length = text.size();
  std::memcpy(contents.data(), &length, sizeof length);
  return WriteWholeFile(files, path, contents);
}

}  // namespace kvlink::links

#include "train/run_description.h"

#include <nlohmann/json.hpp>

#include "base/bounded_json.h"
#include "base/file.h"
#include "base/quote.h"

namespace kvlink::train {
namespace {

using nlohmann::ordered_json;

std::string Dump(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// How a name in the JSON is called on the command line.
std::string Flag(const std::string& name) {
  return name == "model" || name == "compute" || name.starts_with("data") || name == "mixture"
             ? name
             : "--" + name;
}

}  // namespace

std::string DescribeRun(const TrainOptions& o, const Sha256Digest& model, std::string_view compute,
                        const text::PromptTemplate& prompts, const TrainingData& data) {
  ordered_json targets = ordered_json::array();
  for (const model::Projection projection : o.targets)
    targets.push_back(static_cast<int>(projection));
  const std::string text = text::TemplateToJson(prompts);
  ordered_json json = {
      {"model", ToHex(model)},
      {"compute", compute},
      {"mode", o.mode == TrainMode::kFull ? "full" : "links"},
      {"attention", o.attention == TrainAttention::kFull ? "full" : "linked"},
      {"k", o.k},
      {"per-slot", o.slots},
      {"link-start", o.link_start},
      {"start", FileNameOf(o.start)},
      {"template",
       prompts.name + " " +
           ToHex(Sha256().Update(std::as_bytes(std::span(text))).Finish()).substr(0, 32)},
      {"rank", o.rank},
      {"alpha", o.alpha},
      {"scope", model::Name(o.scope)},
      {"targets", std::move(targets)},
      {"limit", o.limit},
      {"valid-limit", o.valid_limit},
      {"documents", o.max_documents},
      {"shuffle-documents", o.shuffle_documents},
      {"methods", Names(o.methods)},
      {"distill", o.distill},
      {"distill-teacher", o.teacher == TrainTeacher::kAdapter ? "adapter" : "base"},
      {"world", o.world},
      {"lr", o.adapter_rate},
      {"link-lr", o.link_rate},
      {"weight-decay", o.weight_decay},
      {"warmup", o.warmup},
      {"clip", o.clip},
      {"batch", o.batch},
      {"micro-batch", o.micro_batch},
      {"epochs", o.epochs},
      {"seed", o.seed},
      {"max-tokens", o.max_tokens},
      {"valid-every", o.valid_every},
      {"patience", o.patience}};
  ordered_json parts = ordered_json::array();
  for (const TrainingPart& part : data.train) {
    parts.push_back({{"kind", Name(part.kind)},
                     {"weight", part.weight},
                     {"piece_words", part.piece_words},
                     {"examples", part.examples.size()}});
  }
  json["mixture"] = std::move(parts);
  json["data files"] = data.files.size();
  for (size_t i = 0; i < data.files.size(); ++i) {
    // Half of the hash: both sides of a refusal should fit into its line.
    json["data file " + std::to_string(i + 1)] =
        ToHex(data.files[i].hash).substr(0, 32) + " " + std::string(FileNameOf(data.files[i].path));
  }
  return Dump(json);
}

Status CheckSameRun(std::string_view before, std::string_view now) {
  const ordered_json was = ParseBoundedJson<ordered_json>(before);
  const ordered_json is = ParseBoundedJson<ordered_json>(now);
  if (!was.is_object() || !is.is_object()) return DataLoss("a run's description is no JSON object");
  const auto value = [](const ordered_json& json, const std::string& name) {
    if (!json.contains(name)) return std::string("not there");
    const ordered_json& found = json[name];
    return found.is_string() ? Quoted(found.get_ref<const std::string&>()) : Dump(found);
  };
  const auto differs = [&](const std::string& name) {
    return FailedPrecondition("cannot resume: " + Flag(name) + " was " + value(was, name) +
                              " and is " + value(is, name) +
                              " now; give what the run was started with");
  };
  for (const auto& item : is.items()) {
    // Older checkpoints do not say how documents were linked: there was one way.
    if (item.key() == "methods" && !was.contains("methods") && item.value() == "link") continue;
    if (!was.contains(item.key()) || was[item.key()] != item.value()) return differs(item.key());
  }
  for (const auto& item : was.items()) {
    // Older checkpoints say which process wrote them; they are the same in all.
    if (item.key() == "rank-of") continue;
    if (!is.contains(item.key())) return differs(item.key());
  }
  return {};
}

}  // namespace kvlink::train

#include "train/provenance.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/hash.h"

namespace kvlink::train {
namespace {

using nlohmann::ordered_json;

// Four decimals: more would only be noise of the machine. No NaN, which JSON has not.
ordered_json Number(double x) {
  if (!std::isfinite(x)) return nullptr;
  return std::round(x * 1e4) / 1e4;
}

ordered_json Hyperparameters(const TrainOptions& o, std::string_view compute) {
  const bool full = o.attention == TrainAttention::kFull;
  const bool adapter = o.mode == TrainMode::kLinks;  // the other mode has none
  return {{"mode", adapter ? "links" : "full"},
          {"attention", full ? "full" : "linked"},
          {"documents", o.max_documents},
          {"k", full ? 0 : o.k},
          {"slots", o.slots},
          {"link_start", o.link_start},
          {"start", FileNameOf(o.start)},
          {"rank", adapter ? ordered_json(o.rank) : ordered_json(nullptr)},
          {"alpha", adapter ? ordered_json(o.alpha) : ordered_json(nullptr)},
          {"scope", adapter ? ordered_json(model::Name(o.scope)) : ordered_json(nullptr)},
          {"methods", full ? ordered_json(nullptr) : ordered_json(Names(o.methods))},
          {"distill", o.distill},
          {"distill_teacher", o.distill == 0                        ? ordered_json(nullptr)
                              : o.teacher == TrainTeacher::kAdapter ? ordered_json("adapter")
                                                                    : ordered_json("base")},
          {"adapter_rate", o.adapter_rate},
          {"link_rate", o.link_rate},
          {"weight_decay", o.weight_decay},
          {"warmup", o.warmup},
          {"clip", o.clip},
          {"batch", o.batch},
          {"epochs", o.epochs},
          {"compute", compute}};
}

}  // namespace

std::string ProvenanceJson(const TrainOptions& options, std::string_view compute,
                           std::span<const DataFile> data, const TrainSummary& outcome) {
  ordered_json files = ordered_json::array();
  for (const DataFile& file : data) {
    files.push_back({{"file", FileNameOf(file.path)},
                     {"sha256", ToHex(file.hash)},
                     {"examples", file.examples},
                     {"use", file.validation ? "validation" : "training"}});
  }
  ordered_json json = {{"program", "kvlink-train " KVLINK_VERSION},
                       {"data", std::move(files)},
                       {"hyperparameters", Hyperparameters(options, compute)},
                       {"seed", options.seed},
                       {"steps", outcome.steps},
                       {"examples", outcome.examples},
                       {"skipped", outcome.skipped},
                       {"loss", Number(outcome.loss)}};
  if (outcome.valid_loss >= 0) {
    json["valid_loss"] = Number(outcome.valid_loss);
    json["best_step"] = outcome.best_step;
  }
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace kvlink::train

#include "train/options.h"

#include <charconv>
#include <cmath>
#include <string_view>

#include "link/method_rules.h"

namespace kvlink::train {
namespace {

constexpr int32_t kMostLinks = 64;   // as the link file has it
constexpr double kMostEpochs = 1e6;  // so that steps can be counted

std::string Text(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

Status Need(bool fine, const char* flag, const char* expected, double found) {
  if (fine) return {};
  return InvalidArgument(std::string(flag) + ": " + expected + " expected, " + Text(found) +
                         " found");
}

}  // namespace

Result<std::optional<int32_t>> GpuOf(const std::string& device) {
  if (device == "cpu") return std::optional<int32_t>();
  if (device == "cuda") return std::optional<int32_t>(0);
  constexpr std::string_view kNumbered = "cuda:";
  int32_t number = -1;
  if (device.starts_with(kNumbered)) {
    const char* const last = device.data() + device.size();
    const auto [end, error] = std::from_chars(device.data() + kNumbered.size(), last, number);
    if (error != std::errc() || end != last) number = -1;
  }
  if (number >= 0) return std::optional<int32_t>(number);
  return InvalidArgument("--device: expected cpu, cuda or cuda:N, found \"" + device + "\"");
}

Status CheckOptions(const TrainOptions& o) {
  KVLINK_RETURN_IF_ERROR(GpuOf(o.device).status());
  KVLINK_RETURN_IF_ERROR(Need(o.k >= 0 && o.k <= kMostLinks, "--k", "0 to 64", o.k));
  KVLINK_RETURN_IF_ERROR(Need(o.slots >= 1 && o.slots <= 1000, "--per-slot", "1 to 1000", o.slots));
  KVLINK_RETURN_IF_ERROR(Need(o.rank >= 0 && o.rank <= 4096, "--rank", "0 to 4096", o.rank));
  KVLINK_RETURN_IF_ERROR(Need(o.limit >= 0, "--limit", "at least 0", o.limit));
  KVLINK_RETURN_IF_ERROR(Need(o.valid_limit >= 0, "--valid-limit", "at least 0", o.valid_limit));
  KVLINK_RETURN_IF_ERROR(Need(o.max_documents >= 0, "--documents", "at least 0", o.max_documents));
  KVLINK_RETURN_IF_ERROR(Need(o.batch >= 1, "--batch", "at least 1", o.batch));
  KVLINK_RETURN_IF_ERROR(Need(o.micro_batch >= 1, "--micro-batch", "at least 1", o.micro_batch));
  KVLINK_RETURN_IF_ERROR(Need(o.threads >= 1, "--threads", "at least 1", o.threads));
  KVLINK_RETURN_IF_ERROR(Need(o.max_tokens >= 0, "--max-tokens", "at least 0", o.max_tokens));
  KVLINK_RETURN_IF_ERROR(Need(o.valid_every >= 0, "--valid-every", "at least 0", o.valid_every));
  KVLINK_RETURN_IF_ERROR(
      Need(o.checkpoint_every >= 0, "--checkpoint-every", "at least 0", o.checkpoint_every));
  KVLINK_RETURN_IF_ERROR(Need(o.patience >= 0, "--patience", "at least 0", o.patience));
  KVLINK_RETURN_IF_ERROR(Need(o.epochs > 0 && o.epochs <= kMostEpochs, "--epochs",
                              "a number above 0, at most 1000000", o.epochs));
  KVLINK_RETURN_IF_ERROR(
      Need(o.distill >= 0 && o.distill <= 1, "--distill", "a share from 0 to 1", o.distill));
  for (const auto& [flag, value] :
       {std::pair("--lr", o.adapter_rate), std::pair("--link-lr", o.link_rate),
        std::pair("--alpha", o.alpha)}) {
    KVLINK_RETURN_IF_ERROR(
        Need(std::isfinite(value) && value > 0, flag, "a number above 0", value));
  }
  KVLINK_RETURN_IF_ERROR(Need(std::isfinite(o.weight_decay) && o.weight_decay >= 0,
                              "--weight-decay", "at least 0", o.weight_decay));
  KVLINK_RETURN_IF_ERROR(
      Need(std::isfinite(o.clip) && o.clip >= 0, "--clip", "at least 0", o.clip));
  KVLINK_RETURN_IF_ERROR(
      Need(o.warmup >= 0 && o.warmup <= 1, "--warmup", "a share from 0 to 1", o.warmup));
  if (!o.document_prefix.empty() && o.document_prefix != "none" && o.document_prefix != "first" &&
      o.document_prefix != "head") {
    return InvalidArgument("--document-prefix: none, first or head expected, \"" +
                           o.document_prefix + "\" found");
  }
  if (o.mode == TrainMode::kFull && o.scope == model::AdapterScope::kEverywhere) {
    return InvalidArgument(
        "--scope is the adapter's, which --mode full has not: expected no --scope");
  }
  if (o.methods.empty()) return InvalidArgument("--methods: at least one expected, none found");
  for (const Method& method : o.methods) {
    if (method == Method()) continue;
    if (!link::RulesOf(method).extends_link()) {
      return InvalidArgument("--methods: link or link+... expected (docs/methods.md), \"" +
                             Name(method) + "\" found");
    }
    if (o.mode == TrainMode::kFull || o.attention == TrainAttention::kFull ||
        o.scope == model::AdapterScope::kEverywhere) {
      return InvalidArgument("--methods " + Name(method) +
                             " computes tokens of blocks again: expected no --mode full, no "
                             "--attention full and no --scope everywhere");
    }
  }
  if (o.patience > 0 && o.valid.empty()) {
    return InvalidArgument("--patience counts validations: --valid FILE.. expected, none given");
  }
  if (o.patience > 0 && o.valid_every == 0) {
    return InvalidArgument(
        "--patience counts validations: --valid-every above 0 expected, 0 found, which validates "
        "at the end only");
  }
  return {};
}

}  // namespace kvlink::train

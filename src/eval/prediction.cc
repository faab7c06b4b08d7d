// Predictions as JSON lines. Exceptions of nlohmann::json are off here.
#include "eval/prediction.h"

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/bounded_json.h"
#include "base/file.h"

namespace kvlink::eval {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kMostLogBytes = 1ll << 40;  // as much as there is

ordered_json OrNull(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

bool ReadScore(const ordered_json& scores, const char* name, std::optional<double>* out) {
  const auto at = scores.find(name);
  if (at == scores.end() || at->is_null()) return true;
  if (!at->is_number()) return false;
  *out = at->get<double>();
  return true;
}

}  // namespace

std::string ToJsonLine(const Prediction& p) {
  ordered_json line = {{"id", p.id},
                       {"dataset", p.dataset},
                       {"method", p.method},
                       {"prediction", p.text},
                       {"gold_loss", p.gold_loss},
                       {"scores",
                        {{"subspan_em", OrNull(p.scores.subspan_em)},
                         {"em", OrNull(p.scores.em)},
                         {"f1", OrNull(p.scores.f1)},
                         {"rouge_l", OrNull(p.scores.rouge_l)}}},
                       {"answer_tokens", p.answer_tokens},
                       {"computed_tokens", p.computed_tokens},
                       {"ttft_ms", p.ttft_ms}};
  if (p.gold_position >= 0) line["gold_position"] = p.gold_position;
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<Prediction> PredictionFromJson(std::string_view line) {
  const ordered_json json = ParseBoundedJson<ordered_json>(line);
  const auto wrong = [](std::string_view field) {
    return InvalidArgument("field \"" + std::string(field) + "\" is missing or of another kind");
  };
  if (!json.is_object()) return InvalidArgument("expected a JSON object");
  Prediction p;
  for (const auto& [name, member] :
       {std::pair("id", &Prediction::id), std::pair("dataset", &Prediction::dataset),
        std::pair("method", &Prediction::method), std::pair("prediction", &Prediction::text)}) {
    const auto at = json.find(name);
    if (at == json.end() || !at->is_string()) return wrong(name);
    p.*member = at->get<std::string>();
  }
  for (const auto& [name, member] : {std::pair("gold_loss", &Prediction::gold_loss),
                                     std::pair("ttft_ms", &Prediction::ttft_ms)}) {
    const auto at = json.find(name);
    if (at == json.end() || !at->is_number()) return wrong(name);
    p.*member = at->get<double>();
  }
  for (const auto& [name, member] : {std::pair("answer_tokens", &Prediction::answer_tokens),
                                     std::pair("computed_tokens", &Prediction::computed_tokens)}) {
    const auto at = json.find(name);
    if (at == json.end() || !at->is_number_integer()) return wrong(name);
    p.*member = at->get<int64_t>();
    if (p.*member < 0) return wrong(name);  // as a number above 2^63 becomes one
  }
  if (const auto at = json.find("gold_position"); at != json.end()) {
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    if (!at->is_number_integer()) return wrong("gold_position");
    const auto position = at->get<int64_t>();
    if (position < 0 || position > kMost) return wrong("gold_position");
    p.gold_position = static_cast<int32_t>(position);
  }
  const auto scores = json.find("scores");
  if (scores == json.end() || !scores->is_object() ||
      !ReadScore(*scores, "subspan_em", &p.scores.subspan_em) ||
      !ReadScore(*scores, "em", &p.scores.em) || !ReadScore(*scores, "f1", &p.scores.f1) ||
      !ReadScore(*scores, "rouge_l", &p.scores.rouge_l)) {
    return wrong("scores");
  }
  return p;
}

Result<PredictionLog> PredictionLog::Open(const std::string& path) {
  PredictionLog log;
  if (path.empty()) return log;
  log.path_ = path;
  Result<std::string> read = ReadWholeFile(FileSystem::Posix(), path, kMostLogBytes);
  if (!read.ok() && read.code() != StatusCode::kNotFound) return read.status();
  const std::string contents = read.ok() ? *std::move(read) : "";
  size_t begin = 0;
  for (int64_t number = 1;; ++number) {
    const size_t end = contents.find('\n', begin);
    if (end == std::string::npos) break;
    Result<Prediction> p =
        PredictionFromJson(std::string_view(contents).substr(begin, end - begin));
    if (!p.ok()) {
      return DataLoss(path + ":" + std::to_string(number) + ": not a prediction: " +
                      p.status().message() + "; remove the line, or choose another --out");
    }
    log.there_.insert({p->dataset, p->id, p->method, p->gold_position});
    log.all_.push_back(*std::move(p));
    begin = end + 1;
  }
  if (begin < contents.size()) {
    std::error_code error;
    std::filesystem::resize_file(path, begin, error);
    if (error) return Unavailable(path + ": cannot be written: " + error.message());
  }
  log.out_.open(path, std::ios::binary | std::ios::app);
  if (!log.out_) return Unavailable(path + ": cannot be written; choose another --out");
  return log;
}

bool PredictionLog::Has(std::string_view dataset, std::string_view id, std::string_view method,
                        int32_t gold_position) const {
  return there_.contains(
      {std::string(dataset), std::string(id), std::string(method), gold_position});
}

Status PredictionLog::Add(Prediction prediction) {
  if (!path_.empty()) {
    out_ << ToJsonLine(prediction) << std::flush;
    if (!out_) {
      return ResourceExhausted(path_ +
                               ": could not be written (is the disk full?); free some "
                               "space and run the same command again: it goes on from here");
    }
  }
  there_.insert({prediction.dataset, prediction.id, prediction.method, prediction.gold_position});
  all_.push_back(std::move(prediction));
  return {};
}

}  // namespace kvlink::eval

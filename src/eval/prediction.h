// What one method answered to one question, and how good that was: a line of DIR/predictions.jsonl.
// The file is written line by line, so that an evaluation that was killed goes on where it stopped.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "kvlink/status.h"

namespace kvlink::eval {

struct Scores {
  // Of 0 to 1. Empty: no answer was generated, or the measure does not fit the kind of question.
  std::optional<double> subspan_em, em, f1, rouge_l;
};

struct Prediction {
  std::string id;              // of the example
  int32_t gold_position = -1;  // of the example
  std::string dataset;
  std::string method;
  std::string text;
  double gold_loss = 0;  // nats per token of the gold answer and the token that ends it
  Scores scores;
  int64_t answer_tokens = 0;
  int64_t computed_tokens = 0;  // of the prompt
  double ttft_ms = 0;
};

std::string ToJsonLine(const Prediction& prediction);  // with the line's end
Result<Prediction> PredictionFromJson(std::string_view line);

// The predictions of one evaluation, in a file or, with an empty path, in memory only.
// One owner, one thread.
class PredictionLog {
 public:
  // Reads what is there; a last line without its end (the writer was killed) is cut off.
  // kDataLoss: a whole line that is no prediction; kUnavailable: the file cannot be written.
  static Result<PredictionLog> Open(const std::string& path);
  bool Has(std::string_view dataset, std::string_view id, std::string_view method,
           int32_t gold_position = -1) const;
  Status Add(Prediction prediction);
  const std::vector<Prediction>& all() const { return all_; }

 private:
  std::string path_;
  std::ofstream out_;
  std::vector<Prediction> all_;
  // Data set, id, method, position of the gold document.
  std::set<std::tuple<std::string, std::string, std::string, int32_t>> there_;
};

}  // namespace kvlink::eval

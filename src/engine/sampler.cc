// The sampler's steps (sampler.h). Everything is computed in double, so that a temperature or a
// penalty at the edge of float's range cannot overflow to an infinity.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace kvlink::engine {
namespace {

struct Candidate {
  int32_t id = 0;
  double weight = 0;  // proportional to its probability; the largest is 1
};

// The order of ties decides which tokens stay, so it must not depend on a sort's implementation.
bool MoreProbable(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}
bool LessProbable(const Candidate& a, const Candidate& b) { return MoreProbable(b, a); }

// Keeps the shortest leading run of the top_k most probable (0: all) that holds top_p of their
// probability, most probable first. A heap gives them up one by one: the run is short as a rule,
// and a full sort of a vocabulary costs more than a small model's layer.
void KeepLeading(int32_t top_k, double top_p, std::vector<Candidate>* candidates) {
  if (top_k > 0 && static_cast<size_t>(top_k) < candidates->size()) {
    std::nth_element(candidates->begin(), candidates->begin() + top_k, candidates->end(),
                     MoreProbable);
    candidates->resize(static_cast<size_t>(top_k));
  }
  double total = 0;
  for (const Candidate& c : *candidates) total += c.weight;
  std::make_heap(candidates->begin(), candidates->end(), LessProbable);
  std::vector<Candidate> kept;
  double held = 0;
  while (!candidates->empty() && (kept.empty() || top_p >= 1 || held < top_p * total)) {
    std::pop_heap(candidates->begin(), candidates->end(), LessProbable);
    kept.push_back(candidates->back());
    candidates->pop_back();
    held += kept.back().weight;
  }
  *candidates = std::move(kept);
}

Status OutOfRange(const char* name, const char* expected, const std::string& found) {
  return InvalidArgument(std::string("sampling: ") + name + " must be " + expected + ", found " +
                         found);
}

}  // namespace

Sampler::Sampler(const Sampling& sampling, int32_t vocab)
    : sampling_(sampling),
      in_history_(static_cast<size_t>(vocab), false),
      random_(RandomOf(sampling.seed.value_or(0))) {}

Result<Sampler> Sampler::Create(const Sampling& s, int32_t vocab) {
  // Written so that NaN fails each of them.
  if (!(s.temperature >= 0 && std::isfinite(s.temperature))) {
    return OutOfRange("temperature", "0 (greedy) or a positive number",
                      std::to_string(s.temperature));
  }
  if (s.top_k < 0) {
    return OutOfRange("top_k", "0 (off) or a positive number", std::to_string(s.top_k));
  }
  if (!(s.top_p > 0 && s.top_p <= 1)) {
    return OutOfRange("top_p", "above 0 and at most 1 (off)", std::to_string(s.top_p));
  }
  if (!(s.min_p >= 0 && s.min_p <= 1)) {
    return OutOfRange("min_p", "between 0 (off) and 1", std::to_string(s.min_p));
  }
  if (!(s.repetition_penalty > 0 && std::isfinite(s.repetition_penalty))) {
    return OutOfRange("repetition_penalty", "a positive number (1: off)",
                      std::to_string(s.repetition_penalty));
  }
  if (vocab <= 0) return OutOfRange("vocabulary", "at least one token", std::to_string(vocab));
  return Sampler(s, vocab);
}

void Sampler::AddHistory(std::span<const int32_t> ids) {
  for (const int32_t id : ids) {
    if (id >= 0 && static_cast<size_t>(id) < in_history_.size()) in_history_[id] = true;
  }
}

double Sampler::Penalised(std::span<const float> logits, int32_t id) const {
  const double logit = logits[id];
  const double penalty = sampling_.repetition_penalty;
  if (!in_history_[id]) return logit;
  return logit > 0 ? logit / penalty : logit * penalty;
}

int32_t Sampler::Draw(std::span<const float> logits) {
  const auto vocab = static_cast<int32_t>(logits.size());
  int32_t best = 0;
  double best_logit = Penalised(logits, 0);
  for (int32_t id = 1; id < vocab; ++id) {
    const double logit = Penalised(logits, id);
    if (logit > best_logit) {
      best = id;
      best_logit = logit;
    }
  }
  if (sampling_.temperature == 0) return best;

  const double temperature = sampling_.temperature;
  const double floor = sampling_.min_p;
  const bool leading = sampling_.top_k > 0 || sampling_.top_p < 1;
  std::vector<Candidate> candidates;
  candidates.reserve(logits.size());
  for (int32_t id = 0; id < vocab; ++id) {
    const double weight = std::exp((Penalised(logits, id) - best_logit) / temperature);
    // Weights are relative to the largest, so min-p is a floor. top-p counts what is below the
    // floor too, hence the floor acts afterwards where there is a run to find.
    if (weight > 0 && (leading || weight >= floor)) candidates.push_back({id, weight});
  }
  if (leading) {
    KeepLeading(sampling_.top_k, sampling_.top_p, &candidates);
    while (candidates.size() > 1 && candidates.back().weight < floor) candidates.pop_back();
  }
  double total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  double left = random_.NextUnit() * total;
  for (const Candidate& c : candidates) {
    left -= c.weight;
    if (left < 0) return c.id;
  }
  return candidates.back().id;  // rounding ate the last crumb of `total`
}

Result<SampledToken> Sampler::Next(std::span<const float> logits, int32_t top_count) {
  if (logits.size() != in_history_.size()) {
    return Internal("sampling: expected " + std::to_string(in_history_.size()) + " logits, found " +
                    std::to_string(logits.size()));
  }
  if (top_count < 0) {
    return OutOfRange("top_logprobs", "0 or a positive number", std::to_string(top_count));
  }
  double largest = logits[0];
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!std::isfinite(logits[id])) {
      return DataLoss("sampling: the logit of token " + std::to_string(id) +
                      " must be a finite number, found " + std::to_string(logits[id]) +
                      "; the model's weights or a stored block are damaged: run `kvlink check`");
    }
    largest = std::max<double>(largest, logits[id]);
  }
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  const double log_sum = std::log(sum);
  // In this order: `largest + log_sum` would lose log_sum beside a huge logit.
  auto log_probability = [&](int32_t id) {
    return static_cast<float>((logits[id] - largest) - log_sum);
  };

  SampledToken token;
  token.id = Draw(logits);
  token.logprob = log_probability(token.id);
  in_history_[token.id] = true;

  const size_t count = std::min<size_t>(static_cast<size_t>(top_count), logits.size());
  if (count > 0) {
    std::vector<int32_t> order(logits.size());
    for (size_t id = 0; id < order.size(); ++id) order[id] = static_cast<int32_t>(id);
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(),
                      [&](int32_t a, int32_t b) {
                        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                      });
    for (size_t i = 0; i < count; ++i) {
      token.top.push_back({.id = order[i], .logprob = log_probability(order[i])});
    }
  }
  return token;
}

}  // namespace kvlink::engine

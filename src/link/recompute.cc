#include "link/recompute.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "link/value_distance.h"

namespace kvlink::link {
namespace {

Result<model::Tail> TailFor(const model::Model& model, size_t tokens) {
  const model::ModelConfig& c = model.config();
  return model::Tail::Create(c.layers, c.kv_heads, c.head_dim, static_cast<int64_t>(tokens),
                             model.kv_dtype());
}

}  // namespace

std::vector<int32_t> BlockTokens(const LinkPlan& plan) {
  std::vector<int32_t> tokens;
  for (const PlannedBlock& block : plan.blocks) {
    if (block.document < 0) continue;
    for (int32_t j = 0; j < block.length; ++j) tokens.push_back(block.start + j);
  }
  return tokens;
}

std::vector<int32_t> FirstOfEach(const LinkPlan& plan, int32_t count) {
  std::vector<int32_t> tokens;
  for (const PlannedBlock& block : plan.blocks) {
    if (block.document < 0) continue;
    for (int32_t j = 0; j < std::min(block.length, count); ++j) tokens.push_back(block.start + j);
  }
  return tokens;
}

std::vector<int32_t> Largest(std::span<const int32_t> tokens, std::span<const float> scores,
                             double fraction) {
  KVLINK_CHECK(tokens.size() == scores.size() && fraction >= 0 && fraction <= 1);
  const auto count =
      static_cast<size_t>(std::llround(fraction * static_cast<double>(tokens.size())));
  std::vector<size_t> order(tokens.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  // A score that is no number comes last: it has no place in an order.
  const auto score = [&](size_t i) {
    return std::isnan(scores[i]) ? -std::numeric_limits<float>::infinity() : scores[i];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return score(a) > score(b); });
  std::vector<int32_t> chosen;
  for (size_t i = 0; i < count; ++i) chosen.push_back(tokens[order[i]]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

LinkPlan Recomputed(LinkPlan plan, std::span<const int32_t> chosen) {
  for (const int32_t i : chosen) plan.tokens[i].segment = 0;
  std::vector<int32_t> computed;
  computed.reserve(plan.computed.size() + chosen.size());
  std::merge(plan.computed.begin(), plan.computed.end(), chosen.begin(), chosen.end(),
             std::back_inserter(computed));
  plan.computed = std::move(computed);
  return plan;
}

Result<std::vector<float>> Deviation(model::Model& model, model::PreparedAdapter* adapter,
                                     std::span<const float> embeddings, const LinkPlan& plan,
                                     const LinkedPrompt& linked) {
  const std::vector<int32_t> wanted = BlockTokens(plan);
  if (wanted.empty()) return std::vector<float>();
  // Everything between the preamble's block, if there is one, and the last document's end.
  const bool has_preamble = plan.blocks.front().document < 0;
  const int32_t begin = has_preamble ? plan.blocks.front().length : 0;
  const int32_t end = wanted.back() + 1;
  std::vector<int32_t> tokens, positions;
  std::vector<uint8_t> documents;
  for (int32_t i = begin; i < end; ++i) {
    tokens.push_back(plan.tokens[i].id);
    positions.push_back(plan.tokens[i].position);
    documents.push_back(plan.tokens[i].source == TokenSource::kDocument);
  }
  KVLINK_ASSIGN_OR_RETURN(model::Tail tail, TailFor(model, tokens.size()));
  model::Sequence sequence;
  sequence.tokens = tokens;
  sequence.embeddings = embeddings;
  sequence.positions = positions;
  sequence.in_document = documents;
  sequence.segments = std::span(linked.segments).first(has_preamble ? 1 : 0);
  sequence.tail = &tail;
  sequence.adapter = adapter;
  model::Probe probe;
  probe.layer = std::min(1, model.config().layers - 1);
  KVLINK_RETURN_IF_ERROR(model.Forward({&sequence, 1}, &probe));

  const model::ModelConfig& c = model.config();
  std::vector<float> deviation;
  for (size_t b = 0; b < plan.blocks.size(); ++b) {
    const PlannedBlock& block = plan.blocks[b];
    if (block.document < 0 || block.length == 0) continue;
    const kv::Block& cached = *linked.blocks[b];
    const std::vector<float> distances =
        ValueDistances({tail.values(probe.layer), tail.stride(), block.start - begin},
                       {cached.values(probe.layer), cached.shape().padded_tokens(), 0},
                       block.length, c.kv_heads, c.head_dim, model.kv_dtype());
    deviation.insert(deviation.end(), distances.begin(), distances.end());
  }
  return deviation;
}

Result<std::vector<float>> QuestionAttention(model::Model& model, model::PreparedAdapter* adapter,
                                             std::span<const float> embeddings,
                                             const LinkPlan& plan, const LinkedPrompt& linked) {
  const auto question = std::find_if(plan.computed.begin(), plan.computed.end(), [&](int32_t i) {
    return plan.tokens[i].source == TokenSource::kQuestion;
  });
  KVLINK_CHECK(question != plan.computed.end());
  KVLINK_ASSIGN_OR_RETURN(model::Tail tail, TailFor(model, linked.tokens.size()));
  model::Sequence sequence;
  sequence.tokens = linked.tokens;
  sequence.embeddings = embeddings;
  sequence.positions = linked.positions;
  sequence.in_document = linked.in_document;
  sequence.segments = linked.segments;
  sequence.tail = &tail;
  sequence.adapter = adapter;
  model::Probe probe;
  probe.layer = model.config().layers / 2;
  probe.attention_from = static_cast<int32_t>(question - plan.computed.begin());
  KVLINK_RETURN_IF_ERROR(model.Forward({&sequence, 1}, &probe));
  // The preamble's block, if there is one, comes first.
  const bool has_preamble = !plan.blocks.empty() && plan.blocks.front().document < 0;
  const auto documents = probe.attention.begin() + (has_preamble ? plan.blocks.front().length : 0);
  return std::vector<float>(documents, probe.attention.end());
}

Result<std::vector<int32_t>> ChooseTokens(const MethodRules& rules, model::Model& model,
                                          model::PreparedAdapter* adapter,
                                          std::span<const float> embeddings, const LinkPlan& plan,
                                          const LinkedPrompt& linked) {
  const std::vector<int32_t> tokens = BlockTokens(plan);
  if (tokens.empty()) return tokens;
  switch (rules.recompute) {
    case Recompute::kNothing:
      break;
    case Recompute::kFirst:
      return FirstOfEach(plan, rules.first);
    case Recompute::kDeviates: {
      KVLINK_ASSIGN_OR_RETURN(const std::vector<float> scores,
                              Deviation(model, adapter, embeddings, plan, linked));
      return Largest(tokens, scores, rules.fraction);
    }
    case Recompute::kAttended: {
      KVLINK_ASSIGN_OR_RETURN(const std::vector<float> scores,
                              QuestionAttention(model, adapter, embeddings, plan, linked));
      return Largest(tokens, scores, rules.fraction);
    }
  }
  return std::vector<int32_t>();
}

}  // namespace kvlink::link

// The metadata field "adapter" of a link file: rank, alpha, scope, targets, layers. Private to the
// room. Not here: the matrices (links/link_adapter.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/status.h"
#include "model/adapter.h"

namespace kvlink::links {

inline constexpr int32_t kMaxAdapterRank = 4096;

struct ProjectionName {
  std::string_view target;  // as PEFT's target_modules has it
  std::string_view module;  // where it stands in a layer
};
// By Projection's value.
inline constexpr std::array<ProjectionName, model::kProjections> kProjectionNames = {
    {{"q_proj", "self_attn.q_proj"},
     {"k_proj", "self_attn.k_proj"},
     {"v_proj", "self_attn.v_proj"},
     {"o_proj", "self_attn.o_proj"},
     {"gate_proj", "mlp.gate_proj"},
     {"up_proj", "mlp.up_proj"},
     {"down_proj", "mlp.down_proj"}}};

struct AdapterDescription {
  int32_t rank = 0;
  double alpha = 0;
  model::AdapterScope scope = model::AdapterScope::kOutsideDocuments;
  std::vector<model::Projection> projections{};  // ascending, the same in each of the layers
  std::vector<int32_t> layers{};                 // ascending
};

// From JSON. kInvalidArgument names the field, what it may be and what it is.
Result<AdapterDescription> ReadDescription(std::string_view text, int32_t model_layers);
std::string WriteDescription(const AdapterDescription& description, int32_t model_layers);

}  // namespace kvlink::links

// Who is attended to: how much attention each token of the segments gets, for methods that choose
// tokens by it (docs/methods.md, attention:r). Plain rows, for a look at one layer; the main path
// is attention.h.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/attention.h"
#include "tensor/rope.h"

namespace kvlink::tensor {

// Probabilities summed over queries first_query, ... and over heads, [tokens of the segments] in
// their order. REQUIRES: no tail_segments, nothing weighed; angles reserved as for Attention::Run.
std::vector<float> AttentionReceived(const AttentionShape& shape, const RopeTable& rope,
                                     const AttentionInput& input, int64_t first_query);

}  // namespace kvlink::tensor

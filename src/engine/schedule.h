// Who computes how many tokens in the next step. Pure: what is in flight goes in, shares come out.
// Not here: making passes of shares (engine/loop.cc).
//
// A step takes a token of every answer that is being written, and prompt tokens (of documents being
// encoded too) up to a limit. Of those that have prompt tokens left two take turns: the one with
// least left, so that a short request hardly waits, and the one that came first, so that none waits
// for ever. Alone, a prompt gets long steps; beside others, short ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvlink::engine {

// One sequence in flight.
struct WorkView {
  uint64_t request = 0;      // ids ascend in order of arrival
  int64_t left = 0;          // prompt tokens of this sequence; 0: it writes an answer
  int64_t request_left = 0;  // of all sequences of its request, those that wait for others included
};

struct StepLimits {
  int64_t piece = 256;          // shares of a prompt end at multiples of it, or at its end
  int64_t alone_tokens = 2048;  // prompt tokens a step while only one request is in flight
  int64_t tokens = 256;         // prompt tokens a step beside others
  int64_t rows = 64;            // answers that get a token in one step
};

struct Share {
  size_t work = 0;     // index into the views
  int64_t tokens = 0;  // prompt tokens; 0: the answer's next token
  bool operator==(const Share&) const = default;
};

// What a step leaves to the next one.
struct Turns {
  bool first_came_last = false;  // prompt tokens went to the request that came first
  uint64_t row = 0;              // where the next step's answers begin, if there are more than rows
};

// Empty only if `works` is. REQUIRES: limits above 0, the tokens of a step at least a piece.
std::vector<Share> PlanStep(std::span<const WorkView> works, const StepLimits& limits,
                            Turns* turns);

}  // namespace kvlink::engine

// What a training lowers: cross-entropy of the answer, and its distance to what a teacher says
// there (distillation; Hinton, Vinyals, Dean, arXiv 1503.02531, at temperature 1). Private to the
// room (Torch). N tokens of answers, V vocabulary.
#pragma once

#include <torch/types.h>

namespace kvlink::train {

struct AnswerLoss {
  at::Tensor objective;  // scalar, nats, summed over the tokens: what gradients are taken of
  double gold = 0;       // cross-entropy alone, nats, summed
};

// (1 - weight) * cross-entropy + weight * KL(teacher || student), summed over the tokens.
// logits [N, V] f32, with a graph or without; targets [N] int64, on any device; teacher [N, V] f32
// logits without a graph, undefined where weight is 0. REQUIRES: 0 <= weight <= 1
AnswerLoss LossOfAnswers(const at::Tensor& logits, const at::Tensor& targets,
                         const at::Tensor& teacher, double weight);

}  // namespace kvlink::train

#include "train/loss.h"

namespace kvlink::train {

AnswerLoss LossOfAnswers(const at::Tensor& logits, const at::Tensor& targets,
                         const at::Tensor& teacher, double weight) {
  const at::Tensor student = at::log_softmax(logits, 1);
  const at::Tensor gold =
      at::nll_loss(student, targets.to(student.device()), {}, at::Reduction::Sum);
  AnswerLoss loss{.objective = gold, .gold = gold.item<double>()};
  if (weight == 0) return loss;
  const at::Tensor log_p = at::log_softmax(teacher.detach(), 1);
  const at::Tensor divergence = (log_p.exp() * (log_p - student)).sum();
  loss.objective = gold * (1 - weight) + divergence * weight;
  return loss;
}

}  // namespace kvlink::train

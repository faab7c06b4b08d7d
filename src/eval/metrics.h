// How right an answer is: the metrics of open question answering, as their reference scripts define
// them. Pure. Not here: summaries (rouge.h), means and intervals (bootstrap.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvlink::eval {

// SQuAD's normalisation (Rajpurkar et al. 2016, evaluate-v1.1.py): lower case, ASCII punctuation
// dropped, the words a, an, the dropped, single spaces.
std::string NormalizeAnswer(std::string_view text);

// Each is 0 or 1, or in [0, 1], and the best over `answers`.

// lost-in-the-middle's best_subspan_em (Liu et al. 2023): some normalised answer is part of the
// normalised prediction. An answer that normalises to nothing is part of everything, as there.
double BestSubspanEm(std::string_view prediction, const std::vector<std::string>& answers);

// Some normalised answer is the normalised prediction.
double ExactMatch(std::string_view prediction, const std::vector<std::string>& answers);

// F1 of the bags of normalised words. Where one of the two has no words, 1 if both have none
// (evaluate-v2.0.py).
double TokenF1(std::string_view prediction, const std::vector<std::string>& answers);

}  // namespace kvlink::eval

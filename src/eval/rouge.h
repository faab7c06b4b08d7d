// ROUGE-L (Lin 2004) with stemming, equal to PyPI's rouge-score 0.1.2, RougeScorer(["rougeL"],
// use_stemmer=True). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvlink::eval {

struct RougeScore {  // each in [0, 1]
  double precision = 0;
  double recall = 0;
  double f1 = 0;
};

// Runs of a-z and 0-9 of the lower-cased text, stemmed where longer than three.
std::vector<std::string> RougeTokens(std::string_view text);

// From the longest common subsequence of the tokens of both. Time is the product of their lengths,
// memory their sum.
RougeScore RougeL(std::string_view reference, std::string_view prediction);

}  // namespace kvlink::eval

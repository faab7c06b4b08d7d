// From predictions to a report's rows: means of each method on each data set with their intervals,
// the share of the documents' worth that a method recovers, paired differences between methods.
// Pure. Not here: how rows are shown (eval/report.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/prediction.h"
#include "eval/report.h"

namespace kvlink::eval {

// Rows by data set in the order of appearance, then by method as asked (means over data sets:
// RowsWithMeans); each method against full, full+adapter and link. Only questions that every method
// has answered count, so that all rows speak of the same ones. A time to first token is a median.
// recovered = (loss of none - loss) / (loss of none - loss of full+adapter, or of full where
// full+adapter was not asked): 1 is as good as full attention, 0 as bad as no documents. Not
// measured where documents don't lower the loss; without an interval where they may not.
// A question that was asked once for each position of its gold document is the mean over them; what
// each position had stands beside, in Report::positions.
Report Summarise(const std::vector<Prediction>& predictions,
                 const std::vector<std::string>& methods, uint64_t seed);

}  // namespace kvlink::eval

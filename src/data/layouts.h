// One JSON record of a file of examples, in whichever layout it is written (the list stands in
// data/readers.h). Not here: files, lines and plain text (readers.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/example.h"
#include "data/readers.h"
#include "kvlink/status.h"

namespace kvlink::data {

struct RecordPlace {
  std::string path;
  int64_t line = 1;     // where the record begins, from 1
  int64_t number = 0;   // from 0; names a record that has no id
  std::string dataset;  // for a record that does not name its own
};

// Appends the record's examples: one, none (unanswerable), or SQuAD's many.
Status ReadRecord(const RecordPlace& place, std::string_view record,
                  const ReadExamplesOptions& options, std::vector<Example>* examples);

}  // namespace kvlink::data

// The mark that a store's rows and files are in step: the file `in-step` in its folder, which holds
// the id of the system's boot. A writer takes it away before it changes anything and sets it again
// behind, so that whoever finds none knows of a writer that died. It is never synced: what a power
// cut may undo was marked in an earlier boot.
#pragma once

#include <string>

#include "base/file.h"

namespace kvlink::kv {

// REQUIRES of Take and Set: the store's lock is held.
class StepMark {
 public:
  StepMark(FileSystem& files, const std::string& store);
  bool IsSet();
  // Whether it was set; afterwards it is not. An error: it cannot be taken away.
  Result<bool> Take();
  // Where it cannot be set, the next opening looks at all files.
  void Set();

 private:
  FileSystem& files_;
  const std::string path_;
  const std::string contents_;  // empty: the boot has no id, and the mark is never set
};

}  // namespace kvlink::kv

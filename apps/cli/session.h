// What every command runs with: the options that all commands share, the terminal, the log, and
// ways to open the model and the store. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "cli/terminal.h"
#include "kv/disk_store.h"
#include "kvlink/engine.h"
#include "kvlink/library.h"
#include "kvlink/status.h"

namespace kvlink::cli {

struct GlobalOptions {
  std::string store;  // empty: the default place
  std::string model;  // a path or a name; empty: the default model
  std::string
      links;  // a path; empty: the one beside the model if there is one; "none": no link file
  std::string prompt_template;  // a name or a file; empty: the link file's or the model's own
  std::string dtype = "auto";
  int32_t threads = 0;       // 0: as many as may be used
  int64_t budget_bytes = 0;  // 0: no limit
  bool json = false;
  bool quiet = false;
  std::string log_level = "warning";
};

class Session {
 public:
  explicit Session(const GlobalOptions& options);

  const GlobalOptions& options() const { return options_; }
  Console& console() { return console_; }
  const Log& log() const { return log_; }
  bool json() const { return options_.json; }
  // People look at it: tables and progress may be shown on standard error.
  bool chatty() const { return !options_.json && !options_.quiet; }

  // People are at both ends, and may be asked. REQUIRES of Asks: CanAsk. False: no,
  // or Ctrl-C.
  bool CanAsk();
  bool Asks(const std::string& question);

  // Said once, however often it comes; kept for the JSON of commands that report warnings.
  void Warn(std::string_view message);
  const std::vector<std::string>& warnings() const { return warnings_; }
  // From now on warnings are only kept.
  void KeepWarningsSilently() { silent_ = true; }

  Result<std::string> store_path() const;
  // Whether the user named a link file, or none.
  bool links_named() const { return !options_.links.empty(); }
  // Without a store: for what keeps blocks elsewhere.
  Result<EngineOptions> MakeEngineOptions();
  // Documents; opens nothing yet.
  Result<std::unique_ptr<Library>> OpenLibrary();
  // kNotFound if there is no store, unless `create`, which also means that blocks are to be kept.
  // read_only: nothing in the folder is made, mended or removed. Without keep_budget nothing is
  // evicted by opening.
  Result<std::unique_ptr<kv::DiskStore>> OpenStore(bool create, bool read_only = false,
                                                   bool keep_budget = true);
  // kNotFound: that nothing is indexed, and what to do.
  Status NoDocuments() const;

 private:
  // The model and its link file, and how it runs.
  Status FillModel(EngineOptions* options);

  GlobalOptions options_;
  Console console_;
  Log log_;
  std::set<std::string, std::less<>> said_;
  std::vector<std::string> warnings_;
  bool silent_ = false;
};

// What a parsed command line wants done. The value is the exit status of a command that has said
// everything itself; a Status is printed, and the exit status is 1 (130 for kCancelled).
using Command = std::function<Result<int>(Session&)>;

}  // namespace kvlink::cli

#include "cli/session.h"

#include <unistd.h>

#include <iostream>

#include "base/file.h"
#include "cli/default_paths.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "kv/store_folder.h"
#include "library/pin_rule.h"

namespace kvlink::cli {

Session::Session(const GlobalOptions& options)
    : options_(options), log_(MakeLog(options.quiet ? "error" : options.log_level, console_)) {}

void Session::Warn(std::string_view message) {
  if (!said_.emplace(message).second) return;
  warnings_.emplace_back(message);
  if (!silent_) log_(Severity::kWarning, message);
}

bool Session::CanAsk() {
  return ::isatty(STDIN_FILENO) == 1 && console_.err_is_terminal() && !json();
}

bool Session::Asks(const std::string& question) {
  console_.Line(question + " [y/N]");
  if (!WaitForInput(STDIN_FILENO)) return false;  // an interrupted read would go on
  std::string answer;
  std::getline(std::cin, answer);
  return answer.starts_with('y') || answer.starts_with('Y');
}

Result<std::string> Session::store_path() const {
  KVLINK_ASSIGN_OR_RETURN(std::string path, StorePath(options_.store));
  // The store says so itself, but not every command opens the store first.
  Status there = kv::CheckStorePath(FileSystem::Posix(), path);
  if (there.code() == StatusCode::kFailedPrecondition) return there;
  return path;
}

Status Session::FillModel(EngineOptions* options) {
  KVLINK_ASSIGN_OR_RETURN(options->model_path, ModelPath(options_.model));
  if (options_.links.empty()) {
    const std::string beside = LinksBeside(options->model_path);
    if (library::FileExists(beside)) options->links_path = beside;
  } else if (options_.links != "none") {
    options->links_path = options_.links;
  }
  options->prompt_template = options_.prompt_template;
  options->dtype = *ParseDType(options_.dtype);  // checked when it was read
  options->digests_path = DigestsPath();
  options->threads = options_.threads;
  return {};
}

Result<EngineOptions> Session::MakeEngineOptions() {
  EngineOptions options;
  KVLINK_RETURN_IF_ERROR(FillModel(&options));
  options.store_budget_bytes = options_.budget_bytes;
  options.warn = [this](std::string_view message) { Warn(message); };
  return options;
}

Result<std::unique_ptr<Library>> Session::OpenLibrary() {
  LibraryOptions options;
  KVLINK_ASSIGN_OR_RETURN(options.store_path, store_path());
  options.budget_bytes = options_.budget_bytes;
  options.find_model = [this](EngineOptions* engine) { return FillModel(engine); };
  options.warn = [this](std::string_view message) { Warn(message); };
  return Library::Open(std::move(options));
}

Result<std::unique_ptr<kv::DiskStore>> Session::OpenStore(bool create, bool read_only,
                                                          bool keep_budget) {
  kv::DiskStoreOptions options;
  KVLINK_ASSIGN_OR_RETURN(options.path, store_path());
  KVLINK_ASSIGN_OR_RETURN(const bool there, Exists(FileSystem::Posix(), options.path));
  if (!create && !there) {
    return NotFound("there is no store at " + options.path + "; make one with: kvlink index PATH");
  }
  options.budget_bytes = keep_budget ? options_.budget_bytes : 0;
  options.read_only = read_only || (there && !library::IsWritable(options.path));
  options.files_suffice = !create;  // looking and making room work where keeping would not
  options.is_pinned = library::MakePinRule(library::DocumentsPath(options.path));
  options.log = log_;
  return kv::DiskStore::Open(options);
}

Status Session::NoDocuments() const {
  KVLINK_ASSIGN_OR_RETURN(const std::string store, store_path());
  return NotFound("no documents are indexed in " + store + "; index some with: kvlink index PATH" +
                  (library::FileExists(store)
                       ? " (or, if documents.sqlite was lost, restore it with: kvlink store verify)"
                       : ""));
}

}  // namespace kvlink::cli

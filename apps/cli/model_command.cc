// kvlink model list|info|add: model files. Reads their metadata only: no weights are loaded.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>

#include "cli/commands.h"
#include "cli/default_paths.h"
#include "cli/json_output.h"
#include "cli/links_info.h"
#include "cli/model_file.h"

namespace kvlink::cli {
namespace {

Result<int> List(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const std::string directory, ModelsDirectory());
  std::vector<FileInfo> files;
  if (library::FileExists(directory)) {
    KVLINK_ASSIGN_OR_RETURN(files, FileSystem::Posix().List(directory));
  }
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  for (const FileInfo& file : files) {
    if (file.is_directory() || !file.name.ends_with(".gguf")) continue;
    const std::string path = directory + "/" + file.name;
    const Result<ModelFile> model = ReadModelFile(path, /*fingerprint=*/false);
    const bool is_default = file.name == kDefaultModel;
    std::string state = is_default ? "default" : "";
    if (!model.ok()) {
      state = (is_default ? "default, broken: " : "broken: ") + model.status().message();
    }
    list.push_back({{"name", file.name},
                    {"path", path},
                    {"size_bytes", file.size_bytes},
                    {"architecture", model.ok() ? model->config.architecture : ""},
                    {"parameters", model.ok() ? model->config.parameters : 0},
                    {"default", is_default},
                    {"error", model.ok() ? "" : model.status().message()}});
    rows.push_back({file.name, FormatBytes(file.size_bytes),
                    model.ok() ? FormatCount(model->config.parameters) : "",
                    model.ok() ? model->config.file_type : "", state});
  }
  if (session.json()) {
    PrintJson({{"directory", directory}, {"models", std::move(list)}});
  } else if (rows.empty()) {
    PrintText("no models in " + directory +
              "; run ./quickstart, or bring a GGUF file with: kvlink model add PATH\n");
  } else {
    PrintText(FormatTable(
        {{"MODEL"}, {"SIZE", true}, {"PARAMETERS", true}, {"WEIGHTS"}, {"STATE", false, true}},
        rows, session.console().out_width()));
  }
  return 0;
}

Result<int> Info(const std::string& given, Session& session) {
  if (IsLinkFile(given)) return PrintLinksInfo(given, session);
  KVLINK_ASSIGN_OR_RETURN(const std::string path,
                          ModelPath(given.empty() ? session.options().model : given));
  KVLINK_ASSIGN_OR_RETURN(const ModelFile model, ReadModelFile(path, /*fingerprint=*/true));
  const model::ModelConfig& c = model.config;
  const int64_t kv_f32 = c.KvBytesPerToken(DType::kF32);
  const int64_t kv_bf16 = c.KvBytesPerToken(DType::kBF16);
  if (session.json()) {
    PrintJson({{"path", path},
               {"name", c.name},
               {"architecture", c.architecture},
               {"weights", c.file_type},
               {"parameters", c.parameters},
               {"layers", c.layers},
               {"heads", c.heads},
               {"kv_heads", c.kv_heads},
               {"head_dim", c.head_dim},
               {"width", c.width},
               {"feed_forward", c.feed_forward},
               {"vocab", c.vocab},
               {"context_tokens", c.context_tokens},
               {"tied_output", c.tied_output},
               {"rope", DescribeRope(c.rope)},
               {"tokenizer", model.tokenizer},
               {"template", model.template_name},
               {"template_concern", model.template_concern},
               {"kv_bytes_per_token", {{"bf16", kv_bf16}, {"f32", kv_f32}}},
               {"fingerprint", model.fingerprint},
               {"linkable", model.why_not_linkable.empty()},
               {"why_not_linkable", model.why_not_linkable}});
    return 0;
  }
  const auto number = [](int64_t n) { return FormatCount(n); };
  std::string out;
  const auto line = [&out](const char* name, const std::string& value) {
    const std::string label(name);
    out += label + std::string(14 - label.size(), ' ') + CleanLine(value) + "\n";
  };
  line("path", path);
  line("name", c.name);
  line("architecture", c.architecture + ", " + number(c.parameters) + " parameters");
  line("weights", c.file_type + (c.tied_output ? ", output tied to the embedding" : ""));
  line("layers", number(c.layers));
  line("heads", number(c.heads) + " of " + number(c.head_dim) + ", " + number(c.kv_heads) +
                    " for keys and values");
  line("width", number(c.width) + ", feed-forward " + number(c.feed_forward));
  line("context", number(c.context_tokens) + " tokens");
  line("rope", DescribeRope(c.rope));
  line("tokenizer", model.tokenizer + ", " + number(c.vocab) + " tokens");
  line("template", model.template_name.empty()
                       ? "none is built in for this vocabulary: a link file must bring one"
                       : model.template_name);
  if (!model.template_concern.empty()) line("", model.template_concern);
  line("KV per token", FormatBytes(kv_bf16) + " as bf16, " + FormatBytes(kv_f32) + " as f32");
  line("fingerprint", model.fingerprint);
  line("can be linked", model.why_not_linkable.empty() ? "yes" : "no: " + model.why_not_linkable);
  PrintText(out);
  return 0;
}

Result<bool> HaveEqualBytes(const std::string& path, const std::string& other) {
  KVLINK_ASSIGN_OR_RETURN(const auto a, FileSystem::Posix().Map(path));
  KVLINK_ASSIGN_OR_RETURN(const auto b, FileSystem::Posix().Map(other));
  const bool equal = std::ranges::equal(a->bytes(), b->bytes());
  KVLINK_RETURN_IF_ERROR(a->CheckUnchanged());
  KVLINK_RETURN_IF_ERROR(b->CheckUnchanged());
  return equal;
}

Result<int> Add(const std::string& path, bool replace, Session& session) {
  if (!library::FileExists(path)) return NotFound("model " + path + ": no such file");
  KVLINK_ASSIGN_OR_RETURN(const ModelFile model, ReadModelFile(path, /*fingerprint=*/false));
  KVLINK_ASSIGN_OR_RETURN(const std::string directory, ModelsDirectory());
  std::string name = FileName(path);
  if (!name.ends_with(".gguf")) name += ".gguf";
  const std::string target = directory + "/" + name;
  std::error_code error;
  bool same = std::filesystem::equivalent(path, target, error) && !error;
  if (!same && !replace && library::FileExists(target)) {
    KVLINK_ASSIGN_OR_RETURN(same, HaveEqualBytes(path, target));
    if (!same) {
      return FailedPrecondition("another model lies at " + target +
                                "; give the file another name, or replace that one with: kvlink "
                                "model add --replace " +
                                path);
    }
  }
  if (!same) KVLINK_RETURN_IF_ERROR(CopyModel(path, directory, name));
  if (session.json()) {
    PrintJson({{"name", name}, {"path", target}, {"default", name == kDefaultModel}});
  } else if (!session.options().quiet) {
    PrintText((same ? "is already there: " : "added ") + target +
              (name == kDefaultModel ? "\nit is the default model\n"
                                     : "\nuse it with: --model " + name + "\n"));
  }
  return 0;
}

}  // namespace

void AddModelCommand(CLI::App& app, Command* command) {
  CLI::App* model = app.add_subcommand("model", "List, describe or add model files");
  model->require_subcommand(1);
  model->add_subcommand("list", "The models folder")->callback([command] { *command = List; });

  auto path = std::make_shared<std::string>();
  CLI::App* info = model->add_subcommand(
      "info", "What a model is, and whether it can be linked; or what a link file is");
  info->add_option("MODEL", *path, "Path or name [--model, or the default], or a link file");
  info->callback(
      [command, path] { *command = [path](Session& session) { return Info(*path, session); }; });

  CLI::App* add = model->add_subcommand("add", "Copy a GGUF file into the models folder");
  add->add_option("PATH", *path, "A GGUF file")->required();
  auto replace = std::make_shared<bool>(false);
  add->add_flag("--replace", *replace, "Even where another model has its name");
  add->callback([command, path, replace] {
    *command = [path, replace](Session& session) { return Add(*path, *replace, session); };
  });
}

}  // namespace kvlink::cli

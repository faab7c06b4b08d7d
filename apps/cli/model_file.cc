#include "cli/model_file.h"

#include <algorithm>

#include "base/file.h"
#include "base/publish.h"
#include "formats/gguf.h"
#include "text/template.h"

namespace kvlink::cli {

namespace {

Result<ModelFile> Read(const formats::GgufFile& file, bool fingerprint) {
  ModelFile model;
  KVLINK_ASSIGN_OR_RETURN(model.config, model::ReadModelConfig(file));
  KVLINK_ASSIGN_OR_RETURN(const text::TokenizerConfig tokenizer_config,
                          model::ReadTokenizerConfig(file));
  model.tokenizer = tokenizer_config.pre;
  KVLINK_ASSIGN_OR_RETURN(const auto tokenizer, text::Tokenizer::Create(tokenizer_config));
  KVLINK_ASSIGN_OR_RETURN(const text::FilePrompt prompt, model::ReadFilePrompt(file));
  const Result<text::ChosenTemplate> chosen = text::ChooseTemplate(*tokenizer, prompt);
  if (chosen.ok()) {
    model.template_name = chosen->prompt_template.name;
    model.template_concern = chosen->concern;
  }
  model.why_not_linkable = model::WhyNotLinkable(model.config);
  if (fingerprint) model.fingerprint = ToHex(model::ModelFingerprint(file, model.config));
  return model;
}

}  // namespace

Result<ModelFile> ReadModelFile(const std::string& path, bool fingerprint) {
  KVLINK_ASSIGN_OR_RETURN(const auto file, formats::GgufFile::Open(FileSystem::Posix(), path));
  Result<ModelFile> model = Read(*file, fingerprint);
  KVLINK_RETURN_IF_ERROR(file->CheckUnchanged());  // first: what else is wrong may come of it
  return model;
}

std::string DescribeRope(const model::RopeConfig& rope) {
  std::string text = "base " + std::to_string(static_cast<int64_t>(rope.base)) + ", " +
                     std::to_string(rope.dims) + " dimensions";
  switch (rope.scaling) {
    case model::RopeScaling::kNone:
      break;
    case model::RopeScaling::kLinear:
      text += ", linear scaling by " + std::to_string(rope.factor);
      break;
    case model::RopeScaling::kLlama3:
      text += ", Llama 3 frequency scaling";
      break;
    case model::RopeScaling::kDependent:
      text += ", scaling that depends on the prompt's length (" + rope.scaling_name + ")";
      break;
  }
  return text;
}

Result<std::unique_ptr<text::Tokenizer>> ReadTokenizer(const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const auto file, formats::GgufFile::Open(FileSystem::Posix(), path));
  KVLINK_ASSIGN_OR_RETURN(const text::TokenizerConfig config, model::ReadTokenizerConfig(*file));
  return text::Tokenizer::Create(config);
}

Status CopyModel(const std::string& path, const std::string& directory, const std::string& name) {
  FileSystem& files = FileSystem::Posix();
  KVLINK_RETURN_IF_ERROR(files.CreateDirectories(directory, FileAccess::kByUmask));
  KVLINK_ASSIGN_OR_RETURN(const auto source, files.Map(path));
  return PublishFile(files, directory + "/" + name, [&](WritableFile& copy) -> Status {
    constexpr size_t kChunkBytes = 8 << 20;
    const std::span<const std::byte> bytes = source->bytes();
    for (size_t at = 0; at < bytes.size(); at += kChunkBytes) {
      KVLINK_RETURN_IF_ERROR(
          copy.Append(bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at))));
    }
    return source->CheckUnchanged();
  });
}

}  // namespace kvlink::cli

// A model file's metadata, for `model list|info|add`, and its way into the models folder.
#pragma once

#include <memory>
#include <string>

#include "kvlink/status.h"
#include "model/config.h"
#include "text/tokenizer.h"

namespace kvlink::cli {

struct ModelFile {
  model::ModelConfig config;
  std::string tokenizer;         // the pre-tokenizer's name
  std::string template_name;     // empty: none is built in
  std::string template_concern;  // why it may not be what the model knows; empty: no reason
  std::string why_not_linkable;  // empty: it can be linked
  std::string fingerprint;       // hex; empty if it was not asked for
};

// Everything but the weights is read and checked; the fingerprint reads the weights too.
Result<ModelFile> ReadModelFile(const std::string& path, bool fingerprint);

std::string DescribeRope(const model::RopeConfig& rope);

// The tokenizer of a model file, for showing tokens.
Result<std::unique_ptr<text::Tokenizer>> ReadTokenizer(const std::string& path);

// Temporary file in `directory`, fsync, rename to `name`, fsync of the directory.
Status CopyModel(const std::string& path, const std::string& directory, const std::string& name);

}  // namespace kvlink::cli

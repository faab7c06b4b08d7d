// Where things rest by default (XDG base directories), and which file a model's name means.
#pragma once

#include <string>

#include "kvlink/status.h"
#include "library/store_files.h"

namespace kvlink::cli {

inline constexpr char kDefaultModel[] = "SmolLM2-135M-Instruct.Q4_1.gguf";

// $XDG_DATA_HOME/kvlink, or ~/.local/share/kvlink. kFailedPrecondition: neither is set.
Result<std::string> DataDirectory();
// $XDG_CONFIG_HOME/kvlink/config.toml, or ~/.config/...; empty if neither is set.
std::string ConfigPath();
// $XDG_CACHE_HOME/kvlink/digests, or ~/.cache/...; empty if neither is set.
std::string DigestsPath();

// `given` made absolute, or the default store if it is empty.
Result<std::string> StorePath(const std::string& given);
Result<std::string> ModelsDirectory();
// The file that PATH or NAME means; the default model if it is empty. kNotFound says how to get
// one.
Result<std::string> ModelPath(const std::string& given);

// The link file that a model uses unless told otherwise: MODEL.gguf -> MODEL.links.safetensors.
std::string LinksBeside(const std::string& model_path);

std::string FileName(const std::string& path);  // without its folders
// A ~ or ~NAME at the beginning as a shell reads it; as it is where there is no such home.
std::string ExpandHome(const std::string& path);

}  // namespace kvlink::cli

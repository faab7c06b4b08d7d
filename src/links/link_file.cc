// LoadLinks. Not here: the adapter's part (link_adapter.h), SaveLinks (save_links.cc).
// Exceptions of nlohmann::json are off here.
#include "links/link_file.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/bounded_json.h"
#include "base/quote.h"
#include "formats/safetensors.h"
#include "links/checked_tensor.h"
#include "links/gate.h"
#include "links/link_adapter.h"
#include "links/link_metadata.h"

namespace kvlink::links {
namespace {

using nlohmann::json;

// Names in the cache of digests (docs/digest-cache.md).
constexpr std::string_view kLinksContentName = "kvlink links content";
constexpr std::string_view kLinkFileName = "kvlink link file";
const std::string kAdapterName = "kvlink adapter for ";  // and the model's fingerprint

constexpr std::string_view kSeeGrammar = "; docs/link-file.md has the grammar";

// The whole of the text is one number in [least, most].
Result<int32_t> ReadInt(std::string_view field, std::string_view text, int32_t least,
                        int32_t most) {
  int32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end || value < least || value > most) {
    return InvalidArgument(
        Mismatch(FieldName(field),
                 "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
                 Quoted(text)));
  }
  return value;
}

// One link file being read: every refusal names the file.
class LinkReader {
 public:
  LinkReader(const formats::SafetensorsFile& file, const std::string& path,
             const model::ModelConfig& config, const Sha256Digest& model,
             const DigestCache& digests)
      : file_(file), path_(path), config_(config), model_(model), digests_(digests) {}

  Result<std::unique_ptr<Links>> Read() {
    auto links = std::make_unique<Links>();
    links->path = path_;
    links->content =
        digests_.Get(file_.mapping(), kLinksContentName, [&] { return LinksContentHash(file_); });
    for (const auto part : {&LinkReader::ReadFormat, &LinkReader::ReadBase, &LinkReader::ReadTokens,
                            &LinkReader::ReadAdapterPart, &LinkReader::ReadRest}) {
      if (const Status status = (this->*part)(links.get()); !status.ok()) {
        return Status(status.code(), path_ + ": " + status.message());
      }
    }
    return links;
  }

 private:
  // nullptr: not there.
  const std::string* Find(std::string_view field) const {
    const auto at = file_.metadata().find(field);
    return at == file_.metadata().end() ? nullptr : &at->second;
  }
  Result<std::string_view> Need(std::string_view field, std::string_view expected) const {
    if (const std::string* text = Find(field)) return std::string_view(*text);
    return InvalidArgument(Mismatch(FieldName(field), expected, "no such field") +
                           std::string(kSeeGrammar));
  }

  Status ReadFormat(Links*) {
    const std::string* const format = Find("format");
    if (format == nullptr || *format != kLinkFormat) {
      return InvalidArgument("not a link file: " +
                             Mismatch(FieldName("format"), Quoted(kLinkFormat),
                                      format == nullptr ? "no such field" : Quoted(*format)) +
                             std::string(kSeeGrammar));
    }
    KVLINK_ASSIGN_OR_RETURN(const std::string_view text, Need("version", "1"));
    KVLINK_ASSIGN_OR_RETURN(const int32_t version,
                            ReadInt("version", text, 1, std::numeric_limits<int32_t>::max()));
    if (version > kLinkVersion) {
      return FailedPrecondition(
          Mismatch(FieldName("version"), std::to_string(kLinkVersion), std::to_string(version)) +
          ": made by a newer kvlink; update this one");
    }
    // A field that is not understood could change what the others mean.
    for (const auto& [name, value] : file_.metadata()) {
      if (std::find(std::begin(kLinkFields), std::end(kLinkFields), name) ==
          std::end(kLinkFields)) {
        return InvalidArgument(
            Mismatch("metadata", "the fields of version 1", "the unknown field " + Quoted(name)) +
            std::string(kSeeGrammar));
      }
    }
    return {};
  }

  Status ReadBase(Links* links) {
    constexpr std::string_view kExpected = "the base model's fingerprint as 64 hex digits, or any";
    KVLINK_ASSIGN_OR_RETURN(const std::string_view text, Need("base", kExpected));
    if (text == kAnyBase) {
      links->warnings.push_back(path_ +
                                " names no base model (base: any): whether these links belong to "
                                "this model is not known");
      return {};
    }
    const Result<Sha256Digest> base = DigestFromHex(text);
    if (!base.ok() || *base == Sha256Digest{}) {  // zeros mean "any" in memory, never in a file
      return InvalidArgument(Mismatch(FieldName("base"), kExpected, Quoted(text)));
    }
    links->base = *base;
    if (*base == model_) return {};
    return FailedPrecondition(
        Mismatch(FieldName("base"), "this model's fingerprint " + ToHex(model_), ToHex(*base)) +
        ": made for another base model; use its own model, or links that "
        "were made for this one, or --links none");
  }

  Status ReadTokens(Links* links) {
    KVLINK_ASSIGN_OR_RETURN(const std::string_view text, Need("k", "a whole number"));
    KVLINK_ASSIGN_OR_RETURN(links->k, ReadInt("k", text, 0, kMaxLinkTokens));
    const auto embeddings = file_.tensors().find(kLinkEmbeddings);
    const bool has_embeddings = embeddings != file_.tensors().end();
    const std::string* const ids = Find("token_ids");
    if (links->k == 0) {
      if (!has_embeddings && ids == nullptr) return {};
      return InvalidArgument(
          Mismatch("link tokens", "none, as \"k\" is 0",
                   has_embeddings ? "tensor \"link_embeddings\"" : "metadata \"token_ids\""));
    }
    if (has_embeddings == (ids != nullptr)) {
      return InvalidArgument(Mismatch("link tokens",
                                      "tensor \"link_embeddings\" or metadata \"token_ids\"",
                                      has_embeddings ? "both" : "neither"));
    }
    return has_embeddings ? ReadEmbeddings(embeddings->second, links) : ReadIds(*ids, links);
  }

  Status ReadEmbeddings(const formats::SafeTensor& tensor, Links* links) {
    const std::string where = "tensor " + Quoted(kLinkEmbeddings);
    const std::vector<int64_t>& shape = tensor.shape;
    const bool per_slot = shape.size() == 3;
    if ((shape.size() != 2 && !per_slot) || shape[shape.size() - 2] != links->k ||
        shape.back() != config_.width || (per_slot && (shape[0] < 1 || shape[0] > kMaxLinkSlots))) {
      const int64_t expected[] = {links->k, config_.width};
      return InvalidArgument(Mismatch(
          where, "shape " + ShapeText(expected) + ", or 1 to 4096 slots of it", ShapeText(shape)));
    }
    links->slots = per_slot ? static_cast<int32_t>(shape[0]) : 1;
    used_.insert(kLinkEmbeddings);
    KVLINK_ASSIGN_OR_RETURN(links->embeddings, ReadFloats(where, tensor));
    return {};
  }

  Status ReadIds(const std::string& text, Links* links) {
    const json list = ParseBoundedJson<json>(text);
    const auto vocab = static_cast<uint64_t>(config_.vocab);
    bool good = list.is_array() && !list.empty() && list.size() % links->k == 0 &&
                list.size() / links->k <= kMaxLinkSlots;
    if (good) {
      for (const json& id : list) {
        good = good && id.is_number_unsigned() && id.get<uint64_t>() < vocab;
      }
    }
    if (!good) {
      return InvalidArgument(Mismatch(FieldName("token_ids"),
                                      "a JSON list of slots * " + std::to_string(links->k) +
                                          " token ids below " + std::to_string(vocab),
                                      Quoted(text)));
    }
    for (const json& id : list) {
      links->token_ids.push_back(static_cast<int32_t>(id.get<uint64_t>()));
    }
    links->slots = static_cast<int32_t>(list.size()) / links->k;
    return {};
  }

  Status ReadAdapterPart(Links* links) {
    if (const std::string* text = Find("adapter")) {
      KVLINK_ASSIGN_OR_RETURN(links->adapter, ReadAdapter(file_, *text, config_, &used_));
      // How rows are ordered depends on the model.
      links->adapter->hash = digests_.Get(file_.mapping(), kAdapterName + ToHex(model_),
                                          [&] { return model::AdapterHash(*links->adapter); });
    }
    for (const auto& [name, tensor] : file_.tensors()) {
      if (used_.contains(name)) continue;
      return InvalidArgument(Mismatch("tensors",
                                      "link_embeddings and what metadata \"adapter\" describes",
                                      "the unknown tensor " + Quoted(name)) +
                             std::string(kSeeGrammar));
    }
    return {};
  }

  Status ReadRest(Links* links) {
    if (const std::string* text = Find("template")) {
      Result<text::PromptTemplate> prompt_template = text::TemplateFromJson(*text);
      if (!prompt_template.ok()) {
        return {prompt_template.code(),
                FieldName("template") + ": " + prompt_template.status().message()};
      }
      links->prompt_template = *std::move(prompt_template);
    }
    if (const std::string* text = Find("gate")) {
      KVLINK_ASSIGN_OR_RETURN(links->gate, ReadGate(*text));
      DistrustForeignGate(links);
    }
    if (const std::string* text = Find("provenance")) {
      return CheckObject("provenance", *text);
    }
    return {};
  }

  // A record that does not belong to these links on this model counts as none.
  void DistrustForeignGate(Links* links) {
    if (!links->gate.measured) return;
    const Status fits = VerifyGate(links->gate.json, model_, links->content);
    if (fits.ok()) return;
    links->gate.measured = links->gate.passed = false;
    links->gate.distrust = fits.message();
  }

  const formats::SafetensorsFile& file_;
  const std::string& path_;
  const model::ModelConfig& config_;
  const Sha256Digest& model_;
  const DigestCache& digests_;
  std::set<std::string_view> used_;  // tensors that were understood
};

}  // namespace

Result<std::unique_ptr<const Links>> LoadLinks(FileSystem& files, const std::string& path,
                                               const model::ModelConfig& config,
                                               const Sha256Digest& model_fingerprint,
                                               const DigestCache& digests) {
  KVLINK_ASSIGN_OR_RETURN(const auto file, formats::SafetensorsFile::Open(files, path));
  auto links = LinkReader(*file, path, config, model_fingerprint, digests).Read();
  KVLINK_RETURN_IF_ERROR(file->CheckUnchanged());  // first: what else is wrong may come of it
  if (!links.ok()) return links.status();
  (*links)->hash = digests.Get(file->mapping(), kLinkFileName,
                               [&] { return Sha256().Update(file->bytes()).Finish(); });
  KVLINK_RETURN_IF_ERROR(file->CheckUnchanged());
  return std::unique_ptr<const Links>(*std::move(links));
}

}  // namespace kvlink::links

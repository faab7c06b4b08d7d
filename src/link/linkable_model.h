// A model together with its link file: the template, the link tokens, the adapter. Renders text to
// tokens and tokens to a link plan. Not here: blocks and where they rest (link/indexer.h).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "link/link_file.h"
#include "link/plan.h"
#include "model/model.h"
#include "model/prepared_adapter.h"

namespace kvlink {

// Thread promise: rendering and planning are const and thread-safe; the model's passes are not.
class LinkableModel {
 public:
  // links_path empty: K = 0, no adapter, the built-in template that fits the vocabulary.
  static Result<std::unique_ptr<LinkableModel>> Load(FileSystem& files,
                                                     const std::string& model_path,
                                                     const std::string& links_path,
                                                     const ModelOptions& options);
  // For tests and tools that made their own.
  static Result<std::unique_ptr<LinkableModel>> Create(std::unique_ptr<Model> model,
                                                       std::unique_ptr<const Links> links);

  Model& model() { return *model_; }
  const Model& model() const { return *model_; }
  const Links* links() const { return links_.get(); }    // nullptr: none
  PreparedAdapter* adapter() { return adapter_.get(); }  // nullptr: none
  const PromptTemplate& prompt_template() const { return template_; }
  int32_t k() const { return links_ == nullptr ? 0 : links_->k; }
  // [slots * k, E]; empty where links are vocabulary tokens.
  std::span<const float> embeddings() const;

  // Tokens of a document at a 0-based rank (which matters only if the template shows it).
  std::vector<int32_t> RenderDocument(std::string_view title, std::string_view text,
                                      int rank) const;
  // What documents are encoded behind by the template; empty: nothing. An empty system text stands
  // for the template's own.
  std::vector<int32_t> DocumentPrefix(std::string_view system) const;
  // The plan of a prompt over documents that are already tokens.
  LinkPlan Plan(std::string_view system, std::span<const std::vector<int32_t>> documents,
                std::string_view question, Layout layout) const;
  LinkPlan Plan(std::string_view system, std::span<const std::vector<int32_t>> documents,
                std::string_view question, bool full) const {
    return Plan(system, documents, question, full ? Layout::kFull : Layout::kLinked);
  }

 private:
  LinkableModel() = default;
  std::unique_ptr<Model> model_;
  std::unique_ptr<const Links> links_;
  std::unique_ptr<PreparedAdapter> adapter_;
  PromptTemplate template_;
};

}  // namespace kvlink

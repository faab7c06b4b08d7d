// Create checks the vocabulary (vocabulary.h); encoding then cannot fail: text -> well-formed
// runs -> words (pre_tokenizer.h) -> merged bytes (bpe.h).
#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "text/bpe.h"
#include "text/normal_form.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace kvlink::text {
namespace {

// Bounds the memory of one word's merges (some 40 bytes for each of its bytes). A longer word,
// which no language has, is cut here.
constexpr size_t kMaxWordBytes = 1 << 20;

using IdMap = std::unordered_map<std::string_view, int32_t>;

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(const TokenizerConfig& config, std::vector<std::string> bytes, MergeTable merges,
               std::unique_ptr<PreTokenizer> words)
      : types_(config.types),
        bytes_(std::move(bytes)),
        merges_(std::move(merges)),
        words_(std::move(words)),
        bos_(config.bos),
        eos_(config.eos),
        fingerprint_(VocabularyFingerprint(config)) {
    byte_token_.fill(-1);
    ends_generation_.assign(types_.size(), false);
    if (eos_ >= 0) ends_generation_[eos_] = true;
    for (const int32_t id : config.end_of_generation) ends_generation_[id] = true;
    // Of tokens that stand for the same bytes the first wins, here and in each kind by itself.
    by_bytes_.reserve(types_.size());
    for (size_t i = 0; i < types_.size(); ++i) {
      const std::string_view token = bytes_[i];
      const int32_t id = static_cast<int32_t>(i);
      if (token.empty()) continue;
      by_bytes_.emplace(token, id);
      if (types_[i] == TokenType::kNormal) {
        int32_t& of_byte = byte_token_[static_cast<uint8_t>(token[0])];
        if (token.size() == 1 && of_byte < 0) of_byte = id;
        if (words_->takes_whole_words()) normal_.emplace(token, id);
      }
      if (types_[i] == TokenType::kControl || types_[i] == TokenType::kUserDefined) {
        if (special_.emplace(token, id).second) {
          special_sizes_[static_cast<uint8_t>(token[0])].push_back(token.size());
        }
      }
    }
    for (std::vector<size_t>& sizes : special_sizes_) {
      std::sort(sizes.begin(), sizes.end(), std::greater<>());
      sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
    }
    spells_all_bytes_ = std::find(byte_token_.begin(), byte_token_.end(), -1) == byte_token_.end();
  }

  // What no id can stand for becomes U+FFFD, so that has to have ids.
  Status CheckEveryTextHasIds() const {
    for (const char c : spells_all_bytes_ ? std::string_view() : kReplacementCharacter) {
      if (byte_token_[static_cast<uint8_t>(c)] >= 0) continue;
      const auto missing = std::find(byte_token_.begin(), byte_token_.end(), -1);
      return InvalidArgument(
          "tokenizer.ggml.tokens: no token for byte " +
          std::to_string(missing - byte_token_.begin()) + ", and none for byte " +
          std::to_string(static_cast<uint8_t>(c)) +
          " of U+FFFD, which would stand in its place; expected a byte-level vocabulary");
    }
    return {};
  }

  std::vector<int32_t> Encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    AppendText(text, &ids);
    return ids;
  }

  std::vector<int32_t> EncodeSpecial(std::string_view text) const override {
    const Piece piece{text, true};
    return EncodePieces({&piece, 1});
  }

  std::vector<int32_t> EncodePieces(std::span<const Piece> pieces) const override {
    std::vector<int32_t> ids;
    std::string text;  // what stands since the last special token
    for (const Piece& piece : pieces) {
      size_t taken = 0;
      for (size_t at = 0; piece.literal && at < piece.text.size();) {
        const int32_t id = SpecialAt(piece.text, at);
        if (id < 0) {
          ++at;
          continue;
        }
        text.append(piece.text.substr(taken, at - taken));
        AppendText(text, &ids);
        text.clear();
        ids.push_back(id);
        at += bytes_[id].size();
        taken = at;
      }
      text.append(piece.text.substr(taken));
    }
    AppendText(text, &ids);
    return ids;
  }

  std::string_view TokenBytes(int32_t id) const override {
    return Has(id) ? std::string_view(bytes_[id]) : std::string_view();
  }
  int32_t vocab_size() const override { return static_cast<int32_t>(types_.size()); }
  int32_t bos() const override { return bos_; }
  int32_t eos() const override { return eos_; }
  bool EndsGeneration(int32_t id) const override { return Has(id) && ends_generation_[id]; }
  bool IsControl(int32_t id) const override { return Has(id) && types_[id] == TokenType::kControl; }
  int32_t Find(std::string_view token) const override {
    const auto found = by_bytes_.find(token);
    return found == by_bytes_.end() ? -1 : found->second;
  }
  const Sha256Digest& fingerprint() const override { return fingerprint_; }

 private:
  bool Has(int32_t id) const { return id >= 0 && static_cast<size_t>(id) < types_.size(); }

  // The longest special token that starts at `at`, or -1.
  int32_t SpecialAt(std::string_view text, size_t at) const {
    for (const size_t size : special_sizes_[static_cast<uint8_t>(text[at])]) {
      if (size > text.size() - at) continue;
      const auto found = special_.find(text.substr(at, size));
      if (found != special_.end()) return found->second;
    }
    return -1;
  }

  bool Spells(std::string_view bytes) const {
    return std::all_of(bytes.begin(), bytes.end(),
                       [&](char c) { return byte_token_[static_cast<uint8_t>(c)] >= 0; });
  }

  // Characters (or ill-formed sequences) with a byte that has no token become U+FFFD.
  std::string Spellable(std::string_view text) const {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const std::string_view character = text.substr(at, NextUtf8(text, at).size);
      out.append(Spells(character) ? character : kReplacementCharacter);
      at += character.size();
    }
    return out;
  }

  void AppendText(std::string_view text, std::vector<int32_t>* ids) const {
    std::string spellable;
    if (!spells_all_bytes_ && !Spells(text)) {
      spellable = Spellable(text);
      text = spellable;
    }
    MergeScratch scratch;
    for (size_t at = 0; at < text.size();) {
      const size_t end = WellFormedEnd(text, at);
      if (end == at) {  // a byte that is no text: its own token, merged with nothing
        ids->push_back(byte_token_[static_cast<uint8_t>(text[at++])]);
        continue;
      }
      AppendWords(text.substr(at, end - at), ids, &scratch);
      at = end;
    }
  }

  void AppendWords(std::string_view text, std::vector<int32_t>* ids, MergeScratch* scratch) const {
    std::string normal, spellable;
    if (words_->normalizes() && ToNfc(text, &normal)) {
      text = normal;
      if (!spells_all_bytes_ && !Spells(text)) {
        spellable = Spellable(text);
        text = spellable;
      }
    }
    std::vector<std::string_view> words;
    words_->Split(text, &words);
    for (const std::string_view word : words) {
      for (size_t from = 0; from < word.size(); from += kMaxWordBytes) {
        AppendWord(word.substr(from, kMaxWordBytes), ids, scratch);
      }
    }
  }

  void AppendWord(std::string_view word, std::vector<int32_t>* ids, MergeScratch* scratch) const {
    if (words_->takes_whole_words()) {
      if (const auto found = normal_.find(word); found != normal_.end()) {
        ids->push_back(found->second);
        return;
      }
    }
    const size_t begin = ids->size();
    for (const char c : word) ids->push_back(byte_token_[static_cast<uint8_t>(c)]);
    MergeWord(merges_, begin, ids, scratch);
  }

  std::vector<TokenType> types_;    // [V]
  std::vector<std::string> bytes_;  // [V]; the maps below look into it
  MergeTable merges_;
  std::unique_ptr<PreTokenizer> words_;
  IdMap by_bytes_;
  IdMap normal_;                                        // filled only if whole words are taken
  IdMap special_;                                       // control and user-defined
  std::array<std::vector<size_t>, 256> special_sizes_;  // by first byte, longest first
  std::array<int32_t, 256> byte_token_{};               // -1: the vocabulary has none
  bool spells_all_bytes_ = false;
  std::vector<bool> ends_generation_;
  int32_t bos_;
  int32_t eos_;
  Sha256Digest fingerprint_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::Create(const TokenizerConfig& config) {
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<PreTokenizer> words, PreTokenizer::Create(config.pre));
  KVLINK_RETURN_IF_ERROR(CheckVocabulary(config));
  KVLINK_ASSIGN_OR_RETURN(std::vector<std::string> bytes, ReadTokenBytes(config));
  KVLINK_ASSIGN_OR_RETURN(MergeTable merges, ReadMerges(config));
  auto tokenizer =
      std::make_unique<BpeTokenizer>(config, std::move(bytes), std::move(merges), std::move(words));
  KVLINK_RETURN_IF_ERROR(tokenizer->CheckEveryTextHasIds());
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

std::string Tokenizer::Decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text.append(TokenBytes(id));
  return text;
}

}  // namespace kvlink::text

// Adapters in link files: PEFT's tensors and row order, proved against RoPE worked out in both
// conventions; the scale, the scope, the hash; and each refusal.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "links/link_file.h"
#include "links/link_file_fixture.h"

namespace kvlink::links {
namespace {

using testing::LinkFileTest;

constexpr int kRank = 2;
constexpr float kAlpha = 3;
constexpr StatusCode kBad = StatusCode::kInvalidArgument;

using Matrix = std::vector<float>;  // row-major

Matrix RandomMatrix(int64_t rows, int64_t columns, std::mt19937* random) {
  Matrix matrix(rows * columns);
  // Whole numbers over 2^24: the same on every machine, unlike std::uniform_real_distribution.
  for (float& value : matrix) value = static_cast<float>((*random)() >> 8) * 0x1p-23f - 1;
  return matrix;
}

Matrix Multiply(const Matrix& m, const Matrix& x) {  // [N, K] x [K] -> [N]
  Matrix y(m.size() / x.size(), 0.0f);
  for (size_t row = 0; row < y.size(); ++row) {
    for (size_t i = 0; i < x.size(); ++i) y[row] += m[row * x.size() + i] * x[i];
  }
  return y;
}

Matrix Plus(Matrix a, const Matrix& b, float scale) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += scale * b[i];
  return a;
}

// What a converter of checkpoints does to q_proj and k_proj: [heads, 2, D/2, columns] ->
// [heads, D/2, 2, columns].
Matrix ToGgufRows(const Matrix& m, int heads, int head_dim) {
  const size_t columns = m.size() / (heads * head_dim);
  Matrix out;
  for (int head = 0; head < heads; ++head) {
    for (int i = 0; i < head_dim / 2; ++i) {
      for (int s = 0; s < 2; ++s) {
        const size_t row = head * head_dim + s * (head_dim / 2) + i;
        out.insert(out.end(), m.begin() + row * columns, m.begin() + (row + 1) * columns);
      }
    }
  }
  return out;
}

double Angle(int pair, int head_dim, int position) {
  return position * std::pow(10000.0, -2.0 * pair / head_dim);
}

// x * cos + rotate_half(x) * sin, with rotate_half(x) = (-x[D/2..], x[..D/2]).
Matrix RotateHuggingFace(const Matrix& x, int head_dim, int position) {
  Matrix y(x.size());
  const int half = head_dim / 2;
  for (size_t head = 0; head < x.size(); head += head_dim) {
    for (int d = 0; d < head_dim; ++d) {
      const double angle = Angle(d % half, head_dim, position);
      const float other = d < half ? -x[head + d + half] : x[head + d - half];
      y[head + d] = static_cast<float>(x[head + d] * std::cos(angle) + other * std::sin(angle));
    }
  }
  return y;
}

// Each pair of neighbours is a complex number, turned by the angle.
Matrix RotateGguf(const Matrix& x, int head_dim, int position) {
  Matrix y(x.size());
  for (size_t at = 0; at < x.size(); at += 2) {
    const double angle = Angle(static_cast<int>(at % head_dim) / 2, head_dim, position);
    y[at] = static_cast<float>(x[at] * std::cos(angle) - x[at + 1] * std::sin(angle));
    y[at + 1] = static_cast<float>(x[at] * std::sin(angle) + x[at + 1] * std::cos(angle));
  }
  return y;
}

std::vector<float> Scores(const Matrix& q, const Matrix& k, const model::ModelConfig& c) {
  std::vector<float> scores;
  for (int head = 0; head < c.heads; ++head) {
    const int group = head / (c.heads / c.kv_heads);
    float score = 0;
    for (int d = 0; d < c.head_dim; ++d) {
      score += q[head * c.head_dim + d] * k[group * c.head_dim + d];
    }
    scores.push_back(score);
  }
  return scores;
}

std::string Tensor(int layer, const std::string& module, const std::string& matrix) {
  return "base_model.model.model.layers." + std::to_string(layer) + "." + module + ".lora_" +
         matrix + ".weight";
}

struct ProjectionCase {
  model::Projection projection;
  const char* module;
  int64_t inputs, outputs;
};
// For SmallConfig: E 8, H*D 24, G*D 12, F 10.
const ProjectionCase kCases[] = {
    {model::Projection::kQ, "self_attn.q_proj", 8, 24},
    {model::Projection::kK, "self_attn.k_proj", 8, 12},
    {model::Projection::kV, "self_attn.v_proj", 8, 12},
    {model::Projection::kO, "self_attn.o_proj", 24, 8},
    {model::Projection::kGate, "mlp.gate_proj", 8, 10},
    {model::Projection::kUp, "mlp.up_proj", 8, 10},
    {model::Projection::kDown, "mlp.down_proj", 10, 8},
};

class LinkAdapterTest : public LinkFileTest {
 protected:
  // A file as PEFT would write it, with every target in every layer.
  Parts PeftParts() {
    Parts parts = SmallParts();
    parts.metadata["adapter"] =
        R"({"rank":2,"alpha":3,"scope":"outside_documents","targets":["q_proj","k_proj","v_proj",)"
        R"("o_proj","gate_proj","up_proj","down_proj"]})";
    for (int layer = 0; layer < config_.layers; ++layer) {
      for (const ProjectionCase& s : kCases) {
        parts.tensors[Tensor(layer, s.module, "A")] = {
            .shape = {kRank, s.inputs}, .values = RandomMatrix(kRank, s.inputs, &random_)};
        parts.tensors[Tensor(layer, s.module, "B")] = {
            .shape = {s.outputs, kRank}, .values = RandomMatrix(s.outputs, kRank, &random_)};
      }
    }
    return parts;
  }
  const model::LowRank& At(const Links& links, int layer, model::Projection projection) {
    return links.adapter->layers[layer][static_cast<size_t>(projection)];
  }

  std::mt19937 random_{20250216};
};

TEST_F(LinkAdapterTest, QueriesAndKeysGiveTheScoresOfHuggingFace) {
  const Parts parts = PeftParts();
  const auto links = Load(parts);
  ASSERT_NE(links, nullptr);
  const model::ModelConfig& c = config_;
  const float scale = kAlpha / kRank;
  const Matrix base_q = RandomMatrix(c.heads * c.head_dim, c.width, &random_);
  const Matrix base_k = RandomMatrix(c.kv_heads * c.head_dim, c.width, &random_);
  const Matrix x = RandomMatrix(c.width, 1, &random_);
  const Matrix y = RandomMatrix(c.width, 1, &random_);
  const auto in_file = [&](int layer, const char* module, const char* matrix) -> const Matrix& {
    return parts.tensors.at(Tensor(layer, module, matrix)).values;
  };
  for (int layer = 0; layer < c.layers; ++layer) {
    const auto hugging_face = [&](const Matrix& base, const char* module, const Matrix& input) {
      const Matrix low = Multiply(in_file(layer, module, "A"), input);
      return Plus(Multiply(base, input), Multiply(in_file(layer, module, "B"), low), scale);
    };
    const auto kvlink = [&](const Matrix& base, int heads, model::Projection projection,
                            const Matrix& input) {
      const model::LowRank& m = At(*links, layer, projection);
      return Plus(Multiply(ToGgufRows(base, heads, c.head_dim), input),
                  Multiply(m.b, Multiply(m.a, input)), 1);
    };
    const Matrix q_hf = hugging_face(base_q, "self_attn.q_proj", x);
    const Matrix k_hf = hugging_face(base_k, "self_attn.k_proj", y);
    const Matrix q = kvlink(base_q, c.heads, model::Projection::kQ, x);
    const Matrix k = kvlink(base_k, c.kv_heads, model::Projection::kK, y);
    for (const auto& [p, j] : {std::pair{0, 0}, {1, 0}, {17, 5}, {900, 3}}) {
      const auto expected =
          Scores(RotateHuggingFace(q_hf, c.head_dim, p), RotateHuggingFace(k_hf, c.head_dim, j), c);
      const auto found = Scores(RotateGguf(q, c.head_dim, p), RotateGguf(k, c.head_dim, j), c);
      for (int head = 0; head < c.heads; ++head) {
        EXPECT_NEAR(found[head], expected[head], 1e-3) << "head " << head << " at " << p;
      }
    }
    // The same with lora_B left in the file's order must differ, or this test could not fail.
    const Matrix unmoved = Plus(Multiply(ToGgufRows(base_q, c.heads, c.head_dim), x),
                                Multiply(in_file(layer, "self_attn.q_proj", "B"),
                                         Multiply(At(*links, layer, model::Projection::kQ).a, x)),
                                scale);
    const auto expected =
        Scores(RotateHuggingFace(q_hf, c.head_dim, 17), RotateHuggingFace(k_hf, c.head_dim, 5), c);
    const auto wrong = Scores(RotateGguf(unmoved, c.head_dim, 17), RotateGguf(k, c.head_dim, 5), c);
    float worst = 0;
    for (int head = 0; head < c.heads; ++head) {
      worst = std::max(worst, std::abs(wrong[head] - expected[head]));
    }
    EXPECT_GT(worst, 0.1f);
  }
}

TEST_F(LinkAdapterTest, OnlyRowsOfQueryAndKeyBMove) {
  const Parts parts = PeftParts();
  const auto links = Load(parts);
  ASSERT_NE(links, nullptr);
  EXPECT_EQ(links->adapter->scope, model::AdapterScope::kOutsideDocuments);
  ASSERT_EQ(links->adapter->layers.size(), 3u);
  for (int layer = 0; layer < config_.layers; ++layer) {
    for (const ProjectionCase& s : kCases) {
      const model::LowRank& m = At(*links, layer, s.projection);
      EXPECT_EQ(m.rank, kRank);
      EXPECT_EQ(m.a, parts.tensors.at(Tensor(layer, s.module, "A")).values) << s.module;
      Matrix b = parts.tensors.at(Tensor(layer, s.module, "B")).values;
      for (float& value : b) value *= kAlpha / kRank;
      if (s.projection == model::Projection::kQ) b = ToGgufRows(b, config_.heads, config_.head_dim);
      if (s.projection == model::Projection::kK)
        b = ToGgufRows(b, config_.kv_heads, config_.head_dim);
      EXPECT_EQ(m.b, b) << s.module;
    }
  }
}

// D = 6: Hugging Face's rows 0..5 of a head are, in GGUF's order, 0 3 1 4 2 5.
TEST_F(LinkAdapterTest, TheOrderOfOneHeadAsATable) {
  Parts parts = PeftParts();
  auto& b = parts.tensors[Tensor(0, "self_attn.k_proj", "B")].values;
  for (size_t i = 0; i < b.size(); ++i) {
    const size_t row = i / kRank;
    b[i] = static_cast<float>(row);
  }
  parts.metadata["adapter"].replace(parts.metadata["adapter"].find("\"alpha\":3"), 9,
                                    "\"alpha\":2");
  const auto links = Load(parts);
  ASSERT_NE(links, nullptr);
  std::vector<float> rows;
  for (size_t i = 0; i < b.size(); i += kRank)
    rows.push_back(At(*links, 0, model::Projection::kK).b[i]);
  EXPECT_EQ(rows, (std::vector<float>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
}

TEST_F(LinkAdapterTest, SavingGivesTheFileOfPeftBackWithTheScaleInB) {
  const Parts parts = PeftParts();
  const auto links = Load(parts);
  ASSERT_NE(links, nullptr);
  ASSERT_EQ(Message(SaveLinks(Files(), path_, *links, config_, "")), "");
  const auto file = formats::SafetensorsFile::Open(Files(), path_);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->tensors().size(), parts.tensors.size());
  for (const auto& [name, tensor] : parts.tensors) {
    const auto at = (*file)->tensors().find(name);
    ASSERT_NE(at, (*file)->tensors().end()) << name;
    EXPECT_EQ(at->second.shape, tensor.shape) << name;
    Matrix expected = tensor.values;
    if (name.find("lora_B") != std::string::npos) {
      for (float& value : expected) value *= kAlpha / kRank;
    }
    EXPECT_EQ(at->second.ToFloat(), expected) << name;
  }
  EXPECT_EQ((*file)->metadata().find("adapter")->second,
            R"({"alpha":2.0,"rank":2,"scope":"outside_documents","targets":["q_proj","k_proj",)"
            R"("v_proj","o_proj","gate_proj","up_proj","down_proj"]})");
  const auto again = Load();
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->adapter->hash, links->adapter->hash);
  for (int layer = 0; layer < config_.layers; ++layer) {
    for (const ProjectionCase& s : kCases) {
      EXPECT_EQ(At(*again, layer, s.projection).b, At(*links, layer, s.projection).b);
    }
  }
}

TEST_F(LinkAdapterTest, SomeTargetsInSomeLayers) {
  Parts parts = SmallParts();
  parts.metadata["adapter"] =
      R"({"rank":2,"alpha":2,"scope":"everywhere","targets":["up_proj","q_proj"],"layers":[0,2]})";
  for (const int layer : {0, 2}) {
    for (const ProjectionCase& s : {kCases[0], kCases[5]}) {
      parts.tensors[Tensor(layer, s.module, "A")] = {
          .shape = {kRank, s.inputs}, .values = RandomMatrix(kRank, s.inputs, &random_)};
      parts.tensors[Tensor(layer, s.module, "B")] = {
          .shape = {s.outputs, kRank}, .values = RandomMatrix(s.outputs, kRank, &random_)};
    }
  }
  const auto links = Load(parts);
  ASSERT_NE(links, nullptr);
  EXPECT_EQ(links->adapter->scope, model::AdapterScope::kEverywhere);
  for (int layer = 0; layer < config_.layers; ++layer) {
    for (const ProjectionCase& s : kCases) {
      const bool here = layer != 1 && (s.projection == model::Projection::kQ ||
                                       s.projection == model::Projection::kUp);
      EXPECT_EQ(At(*links, layer, s.projection).rank, here ? kRank : 0);
      EXPECT_EQ(At(*links, layer, s.projection).a.empty(), !here);
    }
  }
  const auto again = SaveAndLoad(*links);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->adapter->hash, links->adapter->hash);
}

TEST_F(LinkAdapterTest, TheHashCoversScopePlacesAndEachNumber) {
  const auto links = Load(PeftParts());
  ASSERT_NE(links, nullptr);
  const model::Adapter& adapter = *links->adapter;
  EXPECT_EQ(model::AdapterHash(adapter), adapter.hash);
  const std::function<void(model::Adapter*)> changes[] = {
      [](model::Adapter* a) { a->scope = model::AdapterScope::kEverywhere; },
      [](model::Adapter* a) { std::swap(a->layers[0], a->layers[1]); },
      [](model::Adapter* a) { std::swap(a->layers[2][4], a->layers[2][5]); },
      [](model::Adapter* a) { a->layers[2][6].b.back() *= 1.0000001f; },
      [](model::Adapter* a) { a->layers[0][0].a[0] = -a->layers[0][0].a[0]; },
      [](model::Adapter* a) { a->layers[1][3] = {}; },
      [](model::Adapter* a) { a->layers.pop_back(); },
  };
  for (const auto& change : changes) {
    model::Adapter changed = adapter;
    change(&changed);
    EXPECT_NE(model::AdapterHash(changed), adapter.hash);
  }
  model::Adapter unchanged = adapter;
  unchanged.hash = {};
  EXPECT_EQ(model::AdapterHash(unchanged), adapter.hash);
}

// The bytes that docs/link-file.md says are hashed, put together apart from the code and hashed
// with another program.
TEST(AdapterHashTest, Golden) {
  model::Adapter adapter;
  adapter.scope = model::AdapterScope::kEverywhere;
  adapter.layers.resize(1);
  adapter.layers[0][1] = {.rank = 1, .a = {1.0f, 2.0f}, .b = {-0.5f}};
  EXPECT_EQ(ToHex(model::AdapterHash(adapter)),
            "4ee45e99ad844fc681ff3889991423d23b0cc6d917790e8e612c73ca31130a44");
}

TEST_F(LinkAdapterTest, DescriptionsThatDoNotFitAreNamed) {
  struct Case {
    std::string adapter;
    std::vector<std::string> parts;
  };
  const std::string end = R"(,"scope":"everywhere","targets":["q_proj"]})";
  const std::string start = R"({"rank":2,"alpha":2)";
  const Case cases[] = {
      {"16", {"\"adapter\"", "JSON object"}},
      {"{", {"\"adapter\"", "JSON object"}},
      {R"({"alpha":2)" + end, {"\"rank\"", "found nothing"}},
      {R"({"rank":0,"alpha":2)" + end, {"\"rank\"", "1 to 4096", "\"0\""}},
      {R"({"rank":-2,"alpha":2)" + end, {"\"rank\"", "\"-2\""}},
      {R"({"rank":2.0,"alpha":2)" + end, {"\"rank\"", "\"2.0\""}},
      {R"({"rank":18446744073709551615,"alpha":2)" + end, {"\"rank\"", "18446744073709551615"}},
      {R"({"rank":2)" + end, {"\"alpha\"", "found nothing"}},
      {R"({"rank":2,"alpha":0)" + end, {"\"alpha\"", "above 0", "\"0\""}},
      {R"({"rank":2,"alpha":1e300)" + end, {"\"alpha\"", "1e+300"}},
      {R"({"rank":2,"alpha":"2")" + end, {"\"alpha\""}},
      {start + R"(,"targets":["q_proj"]})", {"\"scope\"", "outside_documents", "nothing"}},
      {start + R"(,"scope":"inside","targets":["q_proj"]})", {"\"scope\"", "inside"}},
      {start + R"(,"scope":1,"targets":["q_proj"]})", {"\"scope\"", "\"1\""}},
      {start + R"(,"scope":"everywhere"})", {"\"targets\"", "down_proj", "nothing"}},
      {start + R"(,"scope":"everywhere","targets":[]})", {"\"targets\"", "\"[]\""}},
      {start + R"(,"scope":"everywhere","targets":"q_proj"})", {"\"targets\"", "q_proj"}},
      {start + R"(,"scope":"everywhere","targets":["lm_head"]})", {"\"targets\"", "lm_head"}},
      {start + R"(,"scope":"everywhere","targets":[0]})", {"\"targets\"", "\"0\""}},
      {start + R"(,"scope":"everywhere","targets":["q_proj","q_proj"]})", {"without repeats"}},
      {start + R"(,"layers":[])" + end, {"\"layers\"", "\"[]\""}},
      {start + R"(,"layers":[0,3])" + end, {"\"layers\"", "0 to 2", "\"3\""}},
      {start + R"(,"layers":[1,0])" + end, {"\"layers\"", "ascending", "\"0\""}},
      {start + R"(,"layers":[1,1])" + end, {"\"layers\"", "\"1\""}},
      {start + R"(,"layers":[-1])" + end, {"\"layers\"", "\"-1\""}},
      {start + R"(,"layers":[4294967296])" + end, {"\"layers\"", "4294967296"}},
      {start + R"(,"layers":2)" + end, {"\"layers\"", "\"2\""}},
      {start + R"(,"dora":true)" + end, {"unknown field", "\"dora\""}},
  };
  for (const Case& c : cases) {
    Parts parts = SmallParts();
    parts.metadata["adapter"] = c.adapter;
    ExpectRefused(parts, kBad, c.parts);
  }
}

TEST_F(LinkAdapterTest, TensorsThatDoNotFitAreNamed) {
  const std::string name = Tensor(1, "self_attn.k_proj", "B");
  Parts missing = PeftParts();
  missing.tensors.erase(name);
  ExpectRefused(missing, kBad, {name, "[12, 2]", "no such tensor"});

  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{24}, {2, 12}, {12, 2, 1}, {24, 2}}) {
    Parts parts = PeftParts();
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    parts.tensors[name] = {.shape = shape, .values = Matrix(count)};
    ExpectRefused(parts, kBad, {name, "[12, 2]"});
  }

  Parts infinite = PeftParts();
  infinite.tensors[name].values[7] = INFINITY;
  ExpectRefused(infinite, kBad, {name, "finite", "inf", "index 7"});

  Parts overflowing = PeftParts();
  overflowing.tensors[name].values[7] = std::numeric_limits<float>::max();
  ExpectRefused(overflowing, kBad, {name, "alpha / rank", "finite"});

  Parts more = PeftParts();
  more.tensors[Tensor(3, "self_attn.k_proj", "B")] = {.shape = {1}, .values = {0}};
  ExpectRefused(more, kBad, {"unknown tensor", "layers.3"});

  Parts undescribed = PeftParts();
  undescribed.metadata.erase("adapter");
  ExpectRefused(undescribed, kBad, {"unknown tensor", "lora_A"});
}

TEST_F(LinkAdapterTest, PartlyRotatedHeadsHaveNoKnownOrder) {
  Write(PeftParts());
  config_.rope.dims = 4;
  ExpectRefused(StatusCode::kUnsupported, {"q_proj", "4 of 6"});
  Parts parts = SmallParts();
  parts.metadata["adapter"] = R"({"rank":1,"alpha":1,"scope":"everywhere","targets":["v_proj"]})";
  for (int layer = 0; layer < 3; ++layer) {
    parts.tensors[Tensor(layer, "self_attn.v_proj", "A")] = {.shape = {1, 8}, .values = Matrix(8)};
    parts.tensors[Tensor(layer, "self_attn.v_proj", "B")] = {.shape = {12, 1},
                                                             .values = Matrix(12)};
  }
  EXPECT_NE(Load(parts), nullptr);  // nothing of V is rotated
}

TEST_F(LinkAdapterTest, AdaptersThatTheGrammarCannotSayAreNotSaved) {
  const auto loaded = Load(PeftParts());
  ASSERT_NE(loaded, nullptr);
  struct Case {
    std::function<void(model::Adapter*)> change;
    std::vector<std::string> parts;
  };
  const Case cases[] = {
      {[](model::Adapter* a) { a->layers.pop_back(); }, {"layers", "expected 3", "found 2"}},
      {[](model::Adapter* a) { a->layers.assign(3, {}); }, {"adapter", "none"}},
      {[](model::Adapter* a) { a->layers[1][2].rank = 3; },
       {"layer 1", "v_proj", "2 everywhere", "3"}},
      {[](model::Adapter* a) { a->layers[0][0].rank = -1; }, {"layer 0", "q_proj", "-1"}},
      {[](model::Adapter* a) { a->layers[1][2] = {}; }, {"layer 1", "targets of layer 0"}},
      {[](model::Adapter* a) { a->layers[1][2].a.pop_back(); }, {"layer 1", "v_proj", "[16, 24]"}},
      {[](model::Adapter* a) { a->layers[2][0].b[0] = NAN; }, {"layer 2", "q_proj", "finite"}},
  };
  for (const Case& c : cases) {
    Links links = *loaded;
    c.change(&*links.adapter);
    const std::string path = directory_ / "not-saved.safetensors";
    const Status status = SaveLinks(Files(), path, links, config_, "");
    EXPECT_EQ(status.code(), kBad);
    ExpectHasAll(status.message(), c.parts);
    EXPECT_FALSE(Files().Stat(path).ok());
  }
}

}  // namespace
}  // namespace kvlink::links

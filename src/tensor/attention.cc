#include "tensor/attention.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "tensor/kernels.h"
#include "tensor/thread_team.h"
#include "tensor/tile_matmul.h"

namespace kvlink {
namespace {

constexpr int64_t kQueryTile = 64;  // queries a job; times H / G rows
constexpr int64_t kKeyTile = 256;   // keys a tile: scores of a job stay in the second-level cache
constexpr int64_t kFewRows = 16;    // below, one row at a time beats a tile multiplication

// Few queries meet many keys (Flash-Decoding): the keys are then shared out too, until there are
// this many jobs. Not by the number of threads: what is computed must not depend on it, and joining
// shares rounds.
constexpr int64_t kJobs = 32;

constexpr int64_t kWorthSharing = 2048;  // (query, key) pairs of all heads: some 10 microseconds

// A multiplication's sizes are rounded up, because every new size in bf16 compiles a kernel.
int64_t Padded(int64_t n) { return RoundUp(n, 16); }

// One job's running softmax over all keys it has seen.
struct Accumulator {
  std::vector<float> maximum;  // [rows]
  std::vector<float> sum;      // [rows]
  std::vector<float> values;   // [rows, D]
  void Reset(int64_t rows, int64_t d) {
    maximum.assign(rows, -std::numeric_limits<float>::infinity());
    sum.assign(rows, 0.0f);
    values.assign(rows * d, 0.0f);
  }
  // What has been seen so far becomes one value whose log-sum-exp is `scale` times what it was.
  void Weigh(float scale) {
    const int64_t d = static_cast<int64_t>(values.size() / sum.size());
    for (size_t row = 0; row < sum.size(); ++row) {
      if (sum[row] == 0.0f) continue;
      Scale(1.0f / sum[row], d, &values[row * d]);
      maximum[row] = scale * (maximum[row] + std::log(sum[row]));
      sum[row] = 1.0f;
    }
  }
};

// What a thread needs; kept between calls so that nothing is allocated in a layer.
struct Scratch {
  TileMatmul matmul;
  std::vector<std::byte> queries;        // [rows, D] matmul dtype, rotated
  std::vector<float> scores;             // [rows, keys]
  std::vector<std::byte> probabilities;  // [rows, keys] matmul dtype
  std::vector<float> product;            // [rows, D]
  std::vector<std::byte> keys, values;  // [kKeyTile, D]: a tile in another dtype, or its padded end
};

// Queries [begin, begin + count) of KV head `group`, against the part-th share of the keys.
struct Job {
  int64_t group, begin, count, part;
};

// A stretch of keys of one KvView.
struct Tile {
  const KvView* view;
  bool is_tail;
  int64_t begin, count;
};

}  // namespace

struct Attention::State {
  AttentionShape shape;
  const RopeTable* rope;
  std::vector<Scratch> scratch;           // one a thread
  std::vector<Accumulator> accumulators;  // one a job
  std::vector<Job> jobs;
  std::vector<Tile> tiles;

  void PlanTiles(const AttentionInput& in);
  void RunJob(const AttentionInput& in, const Job& job, int64_t parts, Scratch& s,
              Accumulator& acc);
  void RunTile(const AttentionInput& in, const Job& job, const Tile& tile, Scratch& s,
               Accumulator& acc);
  void RotateQueries(const AttentionInput& in, const Job& job, const KvView& view, int64_t from,
                     DType dtype, Scratch& s);
  const std::byte* TileRows(const void* plane, const Job& job, const Tile& tile, int64_t padded,
                            DType dtype, std::vector<std::byte>* buffer);
  void Combine(const AttentionInput& in, int64_t first_job, int64_t parts);
  // The first query of the job, counted from its begin, that stands behind `position`; count: none.
  static int64_t FirstBehind(const AttentionInput& in, const Job& job, int64_t position) {
    const auto begin = in.positions.begin() + job.begin;
    return std::upper_bound(begin, begin + job.count, position) - begin;
  }
  int64_t Rows(const Job& job) const { return job.count * (shape.heads / shape.kv_heads); }
  // One row at a time in f32, or tiles in the dtype of matmuls: the same for all tiles of a job.
  bool IsFew(const Job& job) const { return Rows(job) < kFewRows; }
  DType TileDType(const Job& job) const { return IsFew(job) ? DType::kF32 : shape.matmul_dtype; }
};

Attention::Attention(const AttentionShape& shape, const RopeTable* rope)
    : state_(std::make_unique<State>()) {
  state_->shape = shape;
  state_->rope = rope;
}
Attention::~Attention() = default;

void Attention::State::PlanTiles(const AttentionInput& in) {
  tiles.clear();
  const auto add = [&](const KvView& view, bool is_tail) {
    for (int64_t begin = 0; begin < view.tokens; begin += kKeyTile) {
      tiles.push_back({&view, is_tail, begin, std::min(kKeyTile, view.tokens - begin)});
    }
  };
  for (const KvView& segment : in.segments) {
    if (segment.weighed) add(segment, false);
  }
  for (const KvView& segment : in.segments) {
    if (!segment.weighed) add(segment, false);
  }
  add(in.tail, true);
}

// Rows are [query, head of the group]: all heads of a KV head meet its keys together.
void Attention::State::RotateQueries(const AttentionInput& in, const Job& job, const KvView& view,
                                     int64_t from, DType dtype, Scratch& s) {
  const int64_t heads = shape.heads / shape.kv_heads, d = shape.head_dim;
  const float temperature = view.weighed ? in.temperature : 1.0f;
  const float scale = 1.0f / (temperature * std::sqrt(static_cast<float>(d)));
  std::byte* out = s.queries.data() + from * heads * d * SizeOf(dtype);
  for (int64_t t = job.begin + from; t < job.begin + job.count; ++t) {
    const int64_t distance = in.positions[t] - view.start + view.shift;
    for (int64_t h = 0; h < heads; ++h) {
      const float* q = in.queries + t * in.query_stride + (job.group * heads + h) * d;
      Rotate(q, rope->Cosines(distance), rope->Sines(distance), rope->rotated(), d, scale, dtype,
             out);
      out += d * SizeOf(dtype);
    }
  }
}

// The tile's rows [padded, D] in `dtype`: where they lie if they can be read there, else a copy in
// this thread's scratch (another dtype, or an end that may not be read past).
const std::byte* Attention::State::TileRows(const void* plane, const Job& job, const Tile& tile,
                                            int64_t padded, DType dtype,
                                            std::vector<std::byte>* buffer) {
  const int64_t d = shape.head_dim;
  const std::byte* rows = static_cast<const std::byte*>(plane) +
                          (job.group * tile.view->stride + tile.begin) * d * SizeOf(shape.kv_dtype);
  const bool readable = tile.begin + padded <= tile.view->stride;
  if (dtype == shape.kv_dtype && readable) return rows;
  buffer->resize(static_cast<size_t>(kKeyTile * d * SizeOf(dtype)));
  if (dtype == shape.kv_dtype) {
    std::memcpy(buffer->data(), rows, tile.count * d * SizeOf(dtype));
  } else {
    // The only change of dtype there is: bf16 blocks on a CPU that multiplies f32.
    Load(rows, tile.count * d, shape.kv_dtype, reinterpret_cast<float*>(buffer->data()));
  }
  std::memset(buffer->data() + tile.count * d * SizeOf(dtype), 0,
              (padded - tile.count) * d * SizeOf(dtype));
  return buffer->data();
}

void Attention::State::RunTile(const AttentionInput& in, const Job& job, const Tile& tile,
                               Scratch& s, Accumulator& acc) {
  const int64_t heads = shape.heads / shape.kv_heads, d = shape.head_dim;
  const int64_t first_own = in.tail.tokens - in.tokens;  // the tail's index of query 0

  // Queries of this job that see something of the tile: from `from` on.
  int64_t from = 0;
  if (tile.is_tail) {
    from = std::max<int64_t>(0, tile.begin - first_own - job.begin);
  } else {
    from = FirstBehind(in, job, tile.view->start + tile.begin);
  }
  if (from >= job.count) return;
  const int64_t rows = (job.count - from) * heads;
  // Keys that the last query sees; the others see at most as many.
  const int64_t last = job.begin + job.count - 1;
  const auto limit_of = [&](int64_t t) {
    return std::min(
        tile.count,
        (tile.is_tail ? first_own + t + 1 : in.positions[t] - tile.view->start) - tile.begin);
  };
  const int64_t seen = limit_of(last);

  const bool few = IsFew(job);
  const DType dtype = TileDType(job);
  const std::byte* queries = s.queries.data() + from * heads * d * SizeOf(dtype);
  // Rows lie one behind the other: oneDNN copies operands whose rows stand further apart.
  const int64_t stride = Padded(seen), padded = few ? seen : stride;
  const Tile shown{tile.view, tile.is_tail, tile.begin, seen};
  const int64_t plane_row =
      (job.group * tile.view->stride + tile.begin) * d * SizeOf(shape.kv_dtype);

  if (few) {
    ScoreRows(reinterpret_cast<const float*>(queries), rows,
              static_cast<const std::byte*>(tile.view->keys) + plane_row, seen, d, shape.kv_dtype,
              s.scores.data(), stride);
  } else {
    const std::byte* keys = TileRows(tile.view->keys, job, shown, padded, dtype, &s.keys);
    s.matmul.Run(Padded(rows), padded, d, dtype, queries, d, keys, d, true, s.scores.data(),
                 stride);
  }

  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = job.begin + from + r / heads;
    const int64_t row = from * heads + r;
    float* scores = s.scores.data() + r * stride;
    const int64_t limit = limit_of(t);
    if (tile.view->hidden != nullptr) {
      const uint8_t* hidden = tile.view->hidden + tile.begin;
      for (int64_t j = 0; j < limit; ++j) {
        if (hidden[j] != 0) scores[j] = -std::numeric_limits<float>::infinity();
      }
    }
    if (tile.is_tail && !in.tail_segments.empty()) {
      const int32_t own = in.tail_segments[first_own + t];
      for (int64_t j = 0; j < limit; ++j) {
        const int32_t key = in.tail_segments[tile.begin + j];
        if (own == 0 ? key < 0 : std::abs(key) != std::abs(own)) {
          scores[j] = -std::numeric_limits<float>::infinity();
        }
      }
    }
    std::byte* p = s.probabilities.data() + r * stride * SizeOf(dtype);
    // A row that sees nothing here must not turn infinity minus infinity into NaN.
    const bool masked = tile.is_tail ? !in.tail_segments.empty() : tile.view->hidden != nullptr;
    // What is not a number counts as seen, or it would be lost.
    const bool sees = limit > 0 && (!masked || std::any_of(scores, scores + limit, [](float score) {
                        return score != -std::numeric_limits<float>::infinity();
                      }));
    if (!sees) {
      std::memset(p, 0, padded * SizeOf(dtype));
      continue;
    }
    const float factor =
        SoftmaxRow(scores, limit, padded, dtype, &acc.maximum[row], &acc.sum[row], p);
    if (factor != 1.0f) Scale(factor, d, &acc.values[row * d]);
  }

  float* values_out = &acc.values[from * heads * d];
  if (few) {
    AccumulateRows(reinterpret_cast<const float*>(s.probabilities.data()), stride, rows,
                   static_cast<const std::byte*>(tile.view->values) + plane_row, seen, d,
                   shape.kv_dtype, values_out);
  } else {
    const std::byte* values = TileRows(tile.view->values, job, shown, padded, dtype, &s.values);
    s.matmul.Run(Padded(rows), d, padded, dtype, s.probabilities.data(), stride, values, d, false,
                 s.product.data(), d);
    AddTo(s.product.data(), rows * d, values_out);
  }
}

void Attention::State::RunJob(const AttentionInput& in, const Job& job, int64_t parts, Scratch& s,
                              Accumulator& acc) {
  const int64_t rows = Rows(job), d = shape.head_dim;
  const int64_t room = Padded(rows) + Padded(1);  // a tile may begin at any row
  s.queries.resize(room * d * sizeof(float));
  s.scores.resize(room * kKeyTile);
  s.probabilities.resize(room * kKeyTile * sizeof(float));
  s.product.resize(room * d);
  acc.Reset(rows, d);
  const KvView* rotated_for = nullptr;
  bool weighed = false;  // acc holds weighed segments only
  const int64_t total = static_cast<int64_t>(tiles.size());
  for (int64_t i = total * job.part / parts; i < total * (job.part + 1) / parts; ++i) {
    const Tile& tile = tiles[i];
    if (weighed && !tile.view->weighed) acc.Weigh(in.scale);
    weighed = tile.view->weighed;
    if (tile.view != rotated_for) {
      // Only queries behind the segment's start can see it; a distance is never negative.
      const int64_t from = tile.is_tail ? 0 : FirstBehind(in, job, tile.view->start);
      if (from == job.count) continue;
      RotateQueries(in, job, *tile.view, from, TileDType(job), s);
      rotated_for = tile.view;
    }
    RunTile(in, job, tile, s, acc);
  }
}

// Joins the parts of one job and writes its rows.
void Attention::State::Combine(const AttentionInput& in, int64_t first_job, int64_t parts) {
  const Job& job = jobs[first_job];
  const int64_t heads = shape.heads / shape.kv_heads, d = shape.head_dim;
  Accumulator& into = accumulators[first_job];
  for (int64_t row = 0; row < Rows(job); ++row) {
    for (int64_t part = 1; part < parts; ++part) {
      const Accumulator& other = accumulators[first_job + part];
      if (other.sum[row] == 0.0f) continue;
      const float largest = std::max(into.maximum[row], other.maximum[row]);
      const float mine = into.sum[row] == 0.0f ? 0.0f : std::exp(into.maximum[row] - largest);
      const float theirs = std::exp(other.maximum[row] - largest);
      float* v = &into.values[row * d];
      const float* w = &other.values[row * d];
      for (int64_t i = 0; i < d; ++i) v[i] = v[i] * mine + w[i] * theirs;
      into.sum[row] = into.sum[row] * mine + other.sum[row] * theirs;
      into.maximum[row] = largest;
    }
    float* v = &into.values[row * d];
    Scale(1.0f / into.sum[row], d, v);
    const int64_t t = job.begin + row / heads, h = job.group * heads + row % heads;
    Store(v, d, in.out_dtype,
          static_cast<std::byte*>(in.out) + (t * shape.heads + h) * d * SizeOf(in.out_dtype));
  }
}

Status Attention::Run(const AttentionInput& in) {
  if (in.tokens == 0) return {};
  const TeamScope team(0);
  KVLINK_RETURN_IF_ERROR(team.status());
  State& st = *state_;
  const int threads = team.threads();
  if (static_cast<int>(st.scratch.size()) < threads) {
    st.scratch = std::vector<Scratch>(threads);
  }
  st.PlanTiles(in);
  st.jobs.clear();
  const int64_t query_tiles = (in.tokens + kQueryTile - 1) / kQueryTile;
  // Tiles of one size, so that no thread waits for another's longer job.
  const int64_t query_tile = (in.tokens + query_tiles - 1) / query_tiles;
  const int64_t whole_jobs = query_tiles * st.shape.kv_heads;
  // Weighed segments must be whole before they join the others, so then they are not.
  const bool weighed = std::any_of(in.segments.begin(), in.segments.end(),
                                   [](const KvView& segment) { return segment.weighed; });
  const int64_t parts =
      weighed ? 1
              : std::clamp<int64_t>(kJobs / whole_jobs, 1, static_cast<int64_t>(st.tiles.size()));
  // The last queries see most: they go first, so that no thread ends with a long job.
  for (int64_t tile = query_tiles - 1; tile >= 0; --tile) {
    for (int64_t group = 0; group < st.shape.kv_heads; ++group) {
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t begin = tile * query_tile;
        st.jobs.push_back({group, begin, std::min(query_tile, in.tokens - begin), part});
      }
    }
  }
  const int64_t count = static_cast<int64_t>(st.jobs.size());
  if (static_cast<int64_t>(st.accumulators.size()) < count) st.accumulators.resize(count);

  // Waking the other threads takes longer than a token's look at a short prompt.
  int64_t keys = in.tail.tokens;
  for (const KvView& segment : in.segments) keys += segment.tokens;
  const bool shared = in.tokens * keys * st.shape.heads >= kWorthSharing;
  ParallelGuard guard;
#pragma omp parallel if (shared)
  {
    omp_set_num_threads(1);  // inside this region only: TileMatmul
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < count; ++i) {
      guard.Run([&] {
        st.RunJob(in, st.jobs[i], parts, st.scratch[omp_get_thread_num()], st.accumulators[i]);
      });
    }
  }
  try {
    guard.Rethrow();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("no memory for attention over " + std::to_string(keys) + " tokens");
  } catch (const std::exception& e) {
    return Internal("attention failed: " + std::string(e.what()));
  }
#pragma omp parallel for schedule(static) if (shared && in.tokens >= kFewRows)
  for (int64_t i = 0; i < count; i += parts) st.Combine(in, i, parts);
  return {};
}

}  // namespace kvlink

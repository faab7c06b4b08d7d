#include "tensor/attention.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "tensor/attention_rows.h"
#include "tensor/attention_tiles.h"
#include "tensor/kernels.h"
#include "tensor/thread_team.h"
#include "tensor/tile_matmul.h"

namespace kvlink::tensor {
namespace {

constexpr int64_t kQueryTile = 64;  // queries a job; times H / G rows

// Few queries meet many keys (Flash-Decoding): the keys are then shared out too, until a piece has
// this many jobs. Not by the number of threads, nor by the other inputs: what is computed must not
// depend on them, and joining shares rounds.
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
  PartialSoftmax Row(int64_t row, int64_t d) {
    return {&maximum[row], &sum[row], &values[row * d]};
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

// A piece's plan: its keys' tiles and how many jobs share them for the same queries.
struct Piece {
  const AttentionInput* in;
  int64_t first_tile, tiles;
  int64_t parts;
};

// Queries [begin, begin + count) of KV head `group`, against the part-th share of the keys.
struct Job {
  const Piece* piece;
  int64_t group, begin, count, part;
};

}  // namespace

struct Attention::State {
  AttentionShape shape;
  const RopeTable* rope;
  std::vector<Scratch> scratch;           // one a thread
  std::vector<Accumulator> accumulators;  // one a job
  std::vector<KeyTile> tiles;             // piece after piece
  std::vector<Piece> pieces;
  std::vector<Job> jobs;  // the parts of the same queries side by side
  std::vector<const AttentionInput*> generated;
  RowAttention row_attention;

  void Plan(std::span<const AttentionInput> inputs, int threads);
  void PlanJobs(const Piece& piece);
  void RunJob(const Job& job, Scratch& s, Accumulator& acc);
  void RunTile(const Job& job, const KeyTile& tile, Scratch& s, Accumulator& acc);
  void RotateQueries(const Job& job, const KvView& view, int64_t from, Scratch& s);
  const std::byte* TileRows(const void* plane, const Job& job, const KeyTile& tile, int64_t padded,
                            std::vector<std::byte>* buffer);
  void JoinParts(int64_t first_job);
  // The first query of the job, counted from its begin, that stands behind `position`; count: none.
  static int64_t FirstBehind(const Job& job, int64_t position) {
    const auto begin = job.piece->in->positions.begin() + job.begin;
    return std::upper_bound(begin, begin + job.count, position) - begin;
  }
  int64_t Heads() const { return shape.heads / shape.kv_heads; }
};

Attention::Attention(const AttentionShape& shape, const RopeTable* rope)
    : state_(std::make_unique<State>(State{shape, rope, {}, {}, {}, {}, {}, {}, {shape, rope}})) {}
Attention::~Attention() = default;

void Attention::State::Plan(std::span<const AttentionInput> inputs, int threads) {
  if (static_cast<int>(scratch.size()) < threads) scratch = std::vector<Scratch>(threads);
  tiles.clear();
  pieces.clear();
  jobs.clear();
  generated.clear();
  for (const AttentionInput& in : inputs) {
    if (in.tokens == 0) continue;
    if (in.generated) {
      generated.push_back(&in);
      continue;
    }
    const auto first = static_cast<int64_t>(tiles.size());
    AppendTiles(in, &tiles);
    pieces.push_back({&in, first, static_cast<int64_t>(tiles.size()) - first, 1});
  }
  row_attention.Plan(generated, threads);
  for (Piece& piece : pieces) {
    // Weighed segments must be whole before they join the others, so then keys are not shared out.
    const std::span<const KvView> segments = piece.in->segments;
    const bool weighed = std::any_of(segments.begin(), segments.end(),
                                     [](const KvView& segment) { return segment.ape_weighed; });
    const int64_t query_tiles = (piece.in->tokens + kQueryTile - 1) / kQueryTile;
    if (!weighed) {
      piece.parts = std::clamp<int64_t>(kJobs / (query_tiles * shape.kv_heads), 1,
                                        std::max<int64_t>(piece.tiles, 1));
    }
    PlanJobs(piece);
  }
  if (accumulators.size() < jobs.size()) accumulators.resize(jobs.size());
}

void Attention::State::PlanJobs(const Piece& piece) {
  const int64_t tokens = piece.in->tokens, query_tiles = (tokens + kQueryTile - 1) / kQueryTile;
  // Tiles of one size, so that no thread waits for another's longer job.
  const int64_t query_tile = (tokens + query_tiles - 1) / query_tiles;
  // The last queries see most: they go first, so that no thread ends with a long job.
  for (int64_t tile = query_tiles - 1; tile >= 0; --tile) {
    for (int64_t group = 0; group < shape.kv_heads; ++group) {
      for (int64_t part = 0; part < piece.parts; ++part) {
        const int64_t begin = tile * query_tile;
        jobs.push_back({&piece, group, begin, std::min(query_tile, tokens - begin), part});
      }
    }
  }
}

// Rows are [query, head of the group]: all heads of a KV head meet its keys together.
void Attention::State::RotateQueries(const Job& job, const KvView& view, int64_t from, Scratch& s) {
  const int64_t row_bytes = shape.head_dim * SizeOf(shape.matmul_dtype);
  std::byte* out = s.queries.data() + from * Heads() * row_bytes;
  for (int64_t t = job.begin + from; t < job.begin + job.count; ++t) {
    for (int64_t h = 0; h < Heads(); ++h, out += row_bytes) {
      RotateQuery(*job.piece->in, shape, *rope, view, t, job.group * Heads() + h,
                  shape.matmul_dtype, out);
    }
  }
}

// The tile's rows [padded, D] in the dtype of matmuls: where they lie if they can be read there,
// else a copy in this thread's scratch (another dtype, or an end that may not be read past).
const std::byte* Attention::State::TileRows(const void* plane, const Job& job, const KeyTile& tile,
                                            int64_t padded, std::vector<std::byte>* buffer) {
  const DType dtype = shape.matmul_dtype;
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
    ConvertFrom(rows, tile.count * d, shape.kv_dtype, reinterpret_cast<float*>(buffer->data()));
  }
  std::memset(buffer->data() + tile.count * d * SizeOf(dtype), 0,
              (padded - tile.count) * d * SizeOf(dtype));
  return buffer->data();
}

void Attention::State::RunTile(const Job& job, const KeyTile& tile, Scratch& s, Accumulator& acc) {
  const AttentionInput& in = *job.piece->in;
  const int64_t heads = Heads(), d = shape.head_dim;

  // Queries of this job that see something of the tile: from `from` on.
  int64_t from = 0;
  if (tile.is_tail) {
    from = std::max<int64_t>(0, tile.begin - (in.tail.tokens - in.tokens) - job.begin);
  } else {
    from = FirstBehind(job, tile.view->start + tile.begin);
  }
  if (from >= job.count) return;
  const int64_t rows = (job.count - from) * heads;
  // Keys that the last query sees; the others see at most as many.
  const int64_t seen = KeysBefore(in, tile, job.begin + job.count - 1);

  const DType dtype = shape.matmul_dtype;
  const std::byte* queries = s.queries.data() + from * heads * d * SizeOf(dtype);
  // Rows lie one behind the other: oneDNN copies operands whose rows stand further apart.
  const int64_t padded = Padded(seen);
  const KeyTile shown{tile.view, tile.is_tail, tile.begin, seen};
  const std::byte* keys = TileRows(tile.view->keys, job, shown, padded, &s.keys);
  s.matmul.Run(Padded(rows), padded, d, dtype, queries, d, keys, d, true, s.scores.data(), padded);

  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = job.begin + from + r / heads, row = from * heads + r;
    float* scores = s.scores.data() + r * padded;
    std::byte* p = s.probabilities.data() + r * padded * SizeOf(dtype);
    const int64_t limit = KeysBefore(in, tile, t);
    // A row that sees nothing here must not turn infinity minus infinity into NaN.
    if (!HideKeys(in, tile, t, limit, scores)) {
      std::memset(p, 0, padded * SizeOf(dtype));
      continue;
    }
    const float factor =
        SoftmaxRow(scores, limit, padded, dtype, &acc.maximum[row], &acc.sum[row], p);
    if (factor != 1.0f) Scale(factor, d, &acc.values[row * d]);
  }

  const std::byte* values = TileRows(tile.view->values, job, shown, padded, &s.values);
  s.matmul.Run(Padded(rows), d, padded, dtype, s.probabilities.data(), padded, values, d, false,
               s.product.data(), d);
  AddTo(s.product.data(), rows * d, &acc.values[from * heads * d]);
}

void Attention::State::RunJob(const Job& job, Scratch& s, Accumulator& acc) {
  const AttentionInput& in = *job.piece->in;
  const int64_t rows = job.count * Heads(), d = shape.head_dim;
  const int64_t room = Padded(rows) + Padded(1);  // a tile may begin at any row
  s.queries.resize(room * d * sizeof(float));
  s.scores.resize(room * kKeyTile);
  s.probabilities.resize(room * kKeyTile * sizeof(float));
  s.product.resize(room * d);
  acc.Reset(rows, d);
  const KvView* rotated_for = nullptr;
  bool weighed = false;  // acc holds weighed segments only
  const int64_t total = job.piece->tiles, parts = job.piece->parts;
  for (int64_t i = total * job.part / parts; i < total * (job.part + 1) / parts; ++i) {
    const KeyTile& tile = tiles[job.piece->first_tile + i];
    if (weighed && !tile.view->ape_weighed) {
      for (int64_t row = 0; row < rows; ++row) Weigh(acc.Row(row, d), in.ape->scale, d);
    }
    weighed = tile.view->ape_weighed;
    if (tile.view != rotated_for) {
      // Only queries behind the segment's start can see it; a distance is never negative.
      const int64_t from = tile.is_tail ? 0 : FirstBehind(job, tile.view->start);
      if (from == job.count) continue;
      RotateQueries(job, *tile.view, from, s);
      rotated_for = tile.view;
    }
    RunTile(job, tile, s, acc);
  }
}

// Joins the parts of the same queries and writes their rows.
void Attention::State::JoinParts(int64_t first_job) {
  const Job& job = jobs[first_job];
  const int64_t heads = Heads(), d = shape.head_dim;
  for (int64_t row = 0; row < job.count * heads; ++row) {
    const PartialSoftmax joined = accumulators[first_job].Row(row, d);
    for (int64_t part = 1; part < job.piece->parts; ++part) {
      Join(joined, accumulators[first_job + part].Row(row, d), d);
    }
    WriteOut(*job.piece->in, shape, job.begin + row / heads, job.group * heads + row % heads,
             joined);
  }
}

Status Attention::Run(std::span<const AttentionInput> inputs) {
  const TeamScope team(0);
  KVLINK_RETURN_IF_ERROR(team.status());
  State& st = *state_;
  int64_t pairs = 0, keys = 0;
  for (const AttentionInput& in : inputs) {
    int64_t of_input = in.tail.tokens;
    for (const KvView& segment : in.segments) of_input += segment.tokens;
    pairs += in.tokens * of_input * st.shape.heads;
    keys += of_input;
  }
  ParallelGuard guard;
  guard.Run([&] { st.Plan(inputs, team.threads()); });
  const auto no_memory = [&] {
    return ResourceExhausted("no memory for attention over " + std::to_string(keys) + " tokens");
  };
  const auto rethrow = [&]() -> Status {
    try {
      guard.Rethrow();
      return {};
    } catch (const std::bad_alloc&) {
      return no_memory();
    } catch (const std::exception& e) {
      return Internal("attention failed: " + std::string(e.what()));
    }
  };
  KVLINK_RETURN_IF_ERROR(rethrow());
  const int64_t row_jobs = st.row_attention.jobs(),
                rows = static_cast<int64_t>(st.generated.size());
  const auto jobs = static_cast<int64_t>(st.jobs.size());
  // Waking the other threads takes longer than a token's look at a short prompt.
#pragma omp parallel if (pairs >= kWorthSharing)
  {
    omp_set_num_threads(1);  // inside this region only: TileMatmul
    const int thread = omp_get_thread_num();
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < jobs + row_jobs; ++i) {
      guard.Run([&] {
        if (i < jobs) {
          st.RunJob(st.jobs[i], st.scratch[thread], st.accumulators[i]);
        } else {
          st.row_attention.RunJob(i - jobs, thread);
        }
      });
    }
#pragma omp for schedule(static)
    for (int64_t i = 0; i < jobs + rows; ++i) {
      guard.Run([&] {  // not at all where a job failed
        if (i >= jobs) {
          st.row_attention.JoinRow(i - jobs);
        } else if (st.jobs[i].part == 0) {
          st.JoinParts(i);
        }
      });
    }
  }
  return rethrow();
}

}  // namespace kvlink::tensor

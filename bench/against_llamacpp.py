#!/usr/bin/env python3
"""kvlink's rates beside llama.cpp's on the same GGUF file, alternating in one run: ratios of medians.

    bench/against_llamacpp.py --llama-bench PATH --model FILE.gguf [--rounds 3] [--kvlink PATH]

llama.cpp computes with the file's quantised weights, kvlink with bf16 or f32 ones (its `compute`).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

# key: what llama-bench is asked for
CASES = {"prefill_512": ["-p", "512", "-n", "0"],
         "prefill_2048": ["-p", "2048", "-n", "0"],
         "link_64_on_2048": ["-p", "64", "-n", "0", "-d", "2048"],
         "decode": ["-p", "0", "-n", "32", "-d", "64"]}


def run_json(command):
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--llama-bench", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--kvlink", default=os.path.join(here, "../build/release/apps/kvlink"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    ours, theirs = {key: [] for key in CASES}, {key: [] for key in CASES}
    for done in range(args.rounds):
        print(f"round {done + 1} of {args.rounds}", file=sys.stderr)
        for key, what in CASES.items():
            rival = run_json([args.llama_bench, "-m", args.model, "-t", str(args.threads), "-fa", "1",
                              "-r", "2", "-o", "json"] + what)
            theirs[key].append(rival[0]["avg_ts"])
            quick = [] if key == "prefill_2048" else ["--quick"]  # which leaves that one out
            bench = run_json([args.kvlink, "bench", "--json", "--only", key, "--model", args.model,
                              "--threads", str(args.threads)] + quick)
            ours[key].append(bench[key])
    report = {"kvlink_compute": bench["compute"], "machine": bench["machine"], "figures": {}}
    for key in CASES:
        a, b = statistics.median(ours[key]), statistics.median(theirs[key])
        report["figures"][key] = {"kvlink_tokens_s": round(a, 1), "llamacpp_tokens_s": round(b, 1),
                                  "ratio": round(a / b, 2)}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""kvlink's rates beside a probe's, alternating in one run: ratios of medians.

The probe (PROBE, a C++ file) is a bare forward pass of SmolLM2-135M's shape with random weights on
oneDNN matmuls; it prints a line `T= 512 past=   0: ... tok/s` a case. Where the CPU has no bf16
matmul the probe cannot run as it is; then it is compiled in f32, which is what kvlink multiplies in
there too, and the report says so.

    bench/against_probe.py --probe PROBE.cpp [--kvlink build/release/apps/kvlink] [--rounds 5]
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

CASES = {"prefill_512": (512, 0), "prefill_2048": (2048, 0), "link_64_on_2048": (64, 2048),
         "decode": (1, 64)}


def as_f32(source):
    """The probe with float for bf16: the type, its conversions, and sizes that follow from it."""
    source = source.replace("dt::bf16", "dt::f32").replace("typedef uint16_t bf;",
                                                           "typedef float bf;")
    source = re.sub(r"static inline bf tobf\(float f\)\{.*?return u>>16;\}",
                    "static inline bf tobf(float f){return f;}", source)
    source = re.sub(r"static inline float fbf\(bf b\)\{.*?return f;\}",
                    "static inline float fbf(bf b){return b;}", source)
    return source.replace("get_size()/2", "get_size()/4").replace("memset(pr,0,knp*2)",
                                                                  "memset(pr,0,knp*4)")


def build(source, folder, name):
    path, program = os.path.join(folder, name + ".cpp"), os.path.join(folder, name)
    with open(path, "w") as out:
        out.write(source)
    subprocess.run(["g++", "-O3", "-march=native", "-ffast-math", "-fopenmp", path, "-ldnnl",
                    "-o", program], check=True)
    return program


def run_probe(program):
    out = subprocess.run([program], capture_output=True, text=True)
    if out.returncode != 0:
        return None
    rates = {}
    for tokens, past, rate in re.findall(r"T=\s*(\d+) past=\s*(\d+):.*?([\d.]+) tok/s", out.stdout):
        rates[int(tokens), int(past)] = float(rate)
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--probe", required=True)
    parser.add_argument("--kvlink", default=os.path.join(here, "../build/release/apps/kvlink"))
    parser.add_argument("--model")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    ours, theirs = {key: [] for key in CASES}, {key: [] for key in CASES}
    with tempfile.TemporaryDirectory() as folder:
        source = open(args.probe).read()
        program, kind = build(source, folder, "probe"), "bf16"
        if run_probe(program) is None:
            program, kind = build(as_f32(source), folder, "probe_f32"), "f32"
        for done in range(args.rounds):
            print(f"round {done + 1} of {args.rounds}", file=sys.stderr)
            probe = run_probe(program)
            command = [args.kvlink, "bench", "--json", "--only", ",".join(CASES)]
            if args.model:
                command += ["--model", args.model]
            bench = json.loads(subprocess.run(command, capture_output=True, text=True,
                                              check=True).stdout)
            for key, case in CASES.items():
                theirs[key].append(probe[case])       # the probe prints its best of 4 (decode: 20)
                ours[key].append(bench["best"][key])  # so ours is the best of 8 (decode: 30)
    report = {"probe_dtype": kind, "kvlink_compute": bench["compute"], "machine": bench["machine"],
              "rounds": args.rounds, "figures": {}}
    for key in CASES:
        a, b = statistics.median(ours[key]), statistics.median(theirs[key])
        report["figures"][key] = {"kvlink_tokens_s": round(a, 1), "probe_tokens_s": round(b, 1),
                                  "ratio": round(a / b, 3)}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

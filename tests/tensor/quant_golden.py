#!/usr/bin/env python3
"""Writes quant_golden.h: seeded random blocks and what an independent implementation makes of them.

Needs the PyPI packages gguf (its numpy decoders; made with 0.19.0) and numpy:
    python3 tests/tensor/quant_golden.py > tests/tensor/quant_golden.h
"""
import numpy as np
import gguf
from gguf.quants import dequantize

# type, byte offsets of its float16 fields, blocks
TYPES = [
    ("Q4_0", [0], 2), ("Q4_1", [0, 2], 2), ("Q5_0", [0], 2), ("Q5_1", [0, 2], 2), ("Q8_0", [0], 2),
    ("Q2_K", [80, 82], 1), ("Q3_K", [108], 1), ("Q4_K", [0, 2], 1), ("Q5_K", [0, 2], 1),
    ("Q6_K", [208], 1), ("BF16", [], 32), ("F16", [], 32),
]


def literal(data: bytes) -> str:
    text = data.hex()
    return "\n".join(f'     "{text[i:i + 88]}"' for i in range(0, len(text), 88))


def main() -> None:
    rng = np.random.default_rng(20250217)
    print("// Made by quant_golden.py: blocks of each type and their numbers (float32, little-endian) as an")
    print("// independent implementation decodes them. Hexadecimal.")
    print("#pragma once\n\n#include \"tensor/quant.h\"\n\nnamespace kvlink {\n")
    print("struct QuantGolden {\n  GgmlType type;\n  const char* blocks;\n  const char* numbers;\n};\n")
    print("// clang-format off\ninline constexpr QuantGolden kQuantGolden[] = {")
    for name, halves, blocks in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        data = rng.integers(0, 256, size=(blocks, size), dtype=np.uint8)
        for at in halves:
            data[:, at:at + 2] = rng.normal(0, 0.02, size=(blocks, 1)).astype(np.float16).view(np.uint8)
        if not halves:  # plain numbers: keep them finite
            data = rng.normal(0, 3, size=blocks).astype(np.float32)
            data = (data.astype(np.float16).view(np.uint8) if name == "F16"
                    else (data.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8))
            numbers = (data.view(np.float16).astype(np.float32) if name == "F16"
                       else (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32))
        else:
            numbers = dequantize(data.reshape(-1), kind).astype(np.float32)
        print(f"    {{GgmlType::k{name},\n{literal(data.tobytes())},\n{literal(numbers.tobytes())}}},")
    print("};\n// clang-format on\n\n}  // namespace kvlink")


main()

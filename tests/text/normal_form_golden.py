#!/usr/bin/env python3
"""Prints normal_form_golden.h: what PyPI's `tokenizers` 0.23 makes of texts that are not in normal
form C, with Qwen 2's normalizer and pre-tokenizer over a made vocabulary: the 256 bytes, then the
merges below.

    pip install tokenizers; tests/text/normal_form_golden.py > tests/text/normal_form_golden.h
"""
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

MERGES = [(b"\xc3", b"\xa9"), (b"\xcc", b"\x81"), (b"e", b"\xcc\x81"), (b"c", b"a"),
          (b"ca", b"f"), (b"caf", b"\xc3\xa9"), (b"\xe1", b"\xba"), (b"\xe1\xba", b"\xbf")]
TEXTS = ["cafe\u0301", "caf\u00e9", "a\u0301 cafe\u0301s", "Vie\u0323\u0302t ngu\u031b\u031bo\u031b",
         "\uac00\u1100\u1161\u11a8", "\u212b \u2126 \ufb01 \u00bd", "e\u0301\u0323", "\u0958\u0929",
         "plain ASCII, 12 don't", "\u0301alone", "<|im_end|>e\u0301"]
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
         r"\s*[\r\n]+|\s+(?!\S)|\s+")


def alphabet():
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, extra = {}, 0
    for byte in range(256):
        if byte in shown:
            table[byte] = chr(byte)
        else:
            table[byte], extra = chr(256 + extra), extra + 1
    return table


def main():
    table = alphabet()
    spell = lambda raw: "".join(table[b] for b in raw)
    vocab = {spell(bytes([b])): b for b in range(256)}
    for left, right in MERGES:
        vocab.setdefault(spell(left + right), len(vocab))
    model = models.BPE(vocab=vocab, merges=[(spell(a), spell(b)) for a, b in MERGES])
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    escape = lambda raw: "".join(f"\\{b:03o}" for b in raw)
    print("// Made by normal_form_golden.py. Do not edit.\n#pragma once\n\n#include <cstdint>\n"
          "#include <string>\n#include <utility>\n#include <vector>\n\n"
          "namespace kvlink::testing {\n\n// clang-format off\n"
          "inline const std::vector<std::pair<std::string, std::string>> kNormalFormMerges = {")
    for left, right in MERGES:
        print(f'    {{"{escape(left)}", "{escape(right)}"}},')
    print("};\ninline const std::vector<std::pair<std::string, std::vector<int32_t>>> "
          "kNormalFormGolden = {")
    for text in TEXTS:
        ids = ", ".join(str(i) for i in tokenizer.encode(text).ids)
        print(f'    {{"{escape(text.encode())}", {{{ids}}}}},')
    print("};\n// clang-format on\n\n}  // namespace kvlink::testing")


if __name__ == "__main__":
    main()

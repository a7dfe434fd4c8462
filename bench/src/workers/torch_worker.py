"""transformers on torch, CPU, as a contender."""

import time

import torch

import torch_models
from protocol import prompt_ids, serve_operations

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FIRST_WORD = 259
loaded = {}


def load(kind, shape, dtype, threads):
    torch.set_num_threads(threads)
    start = time.perf_counter()
    loaded["shape"] = shape
    loaded["model"] = getattr(torch_models, kind)(shape, DTYPES[dtype])
    return {"ms": 1000 * (time.perf_counter() - start)}


@torch.inference_mode()
def answer(promptTokens, newTokens, seed):
    model, vocabulary = loaded["model"], loaded["shape"]["vocabSize"]
    ids = torch.tensor([prompt_ids(seed, promptTokens, FIRST_WORD, vocabulary)])
    start = time.perf_counter()
    step = model(ids, use_cache=True, logits_to_keep=1)
    token = step.logits[:, -1].argmax(-1, keepdim=True)
    first = time.perf_counter()
    for _ in range(newTokens - 1):
        step = model(token, past_key_values=step.past_key_values, use_cache=True)
        token = step.logits[:, -1].argmax(-1, keepdim=True)
    end = time.perf_counter()
    return {
        "firstTokenMs": 1000 * (first - start),
        "tokenMs": 1000 * (end - first) / (newTokens - 1) if newTokens > 1 else 0,
        "totalMs": 1000 * (end - start),
        "visionMs": 0,
        "preprocessMs": 0,
        "cachedTokens": 0,
        "tokens": [],
    }


@torch.inference_mode()
def tile(seed, tiles):
    model, side = loaded["model"], loaded["shape"]["imageSize"]
    dtype = next(model.parameters()).dtype
    pixels = torch.randn(tiles, 3, side, side, generator=torch.Generator().manual_seed(seed)).to(dtype)
    start = time.perf_counter()
    model(pixel_values=pixels)
    return {"ms": 1000 * (time.perf_counter() - start)}


serve_operations({"load": load, "answer": answer, "tile": tile})

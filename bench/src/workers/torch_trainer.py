"""transformers on torch, CPU, as a trainer: a step of AdamW over all weights, or of a projector before a frozen decoder."""

import contextlib
import time

import torch

import torch_models
from protocol import prompt_ids, serve_operations

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FIRST_WORD = 259
FEATURES = 128  # STUB_TOWER's width in shapes.ts.
loaded = {}


def load(kind, shape, dtype, checkpointing, threads):
    torch.set_num_threads(threads)
    start = time.perf_counter()
    frozen = kind == "stage1"
    # Autocast multiplies in bfloat16 and keeps the trained weights in float32; frozen ones may be stored narrow.
    model = torch_models.decoder(shape, DTYPES[dtype] if frozen else torch.float32)
    projector = None
    if frozen:
        model.requires_grad_(False)
        width = shape["hiddenSize"]
        projector = torch.nn.Sequential(
            torch.nn.Linear(FEATURES, width), torch.nn.GELU(), torch.nn.Linear(width, width)
        )
    model.train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    trained = list((projector or model).parameters())
    loaded.update(shape=shape, model=model, projector=projector, trained=trained)
    loaded["autocast"] = dtype == "bfloat16"
    loaded["optimizer"] = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.0, fused=True)
    count = sum(p.numel() for p in trained)
    return {"ms": 1000 * (time.perf_counter() - start), "trained": count}


def step(tokens, supervised, seed, imageTokens=0):
    model, optimizer = loaded["model"], loaded["optimizer"]
    words = torch.tensor([prompt_ids(seed, tokens - imageTokens, FIRST_WORD, loaded["shape"]["vocabSize"])])
    labels = torch.cat([torch.full((1, imageTokens), -100), words], 1)
    labels[:, : tokens - supervised] = -100
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, imageTokens, FEATURES, generator=generator)
    casting = torch.autocast("cpu", dtype=torch.bfloat16) if loaded["autocast"] else contextlib.nullcontext()
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    with casting:
        if loaded["projector"] is None:
            loss = model(input_ids=words, labels=labels, use_cache=False).loss
        else:
            embeddings = model.get_input_embeddings()(words)
            rows = loaded["projector"](features).to(embeddings.dtype)
            inputs = torch.cat([rows, embeddings], 1)
            loss = model(inputs_embeds=inputs, labels=labels, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(loaded["trained"], 1.0)
    optimizer.step()
    return {"ms": 1000 * (time.perf_counter() - start), "loss": loss.item(), "activations": None}


serve_operations({"load": load, "step": step})

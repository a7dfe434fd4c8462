"""OpenVINO, CPU, as a contender: weights in 8 bits by nncf, activations quantised as they come ("dynamic") or by
ranges taken from calibration tiles ("static", towers only)."""

import time

import nncf
import numpy
import openvino
import torch

import torch_models
from protocol import serve_operations

loaded = {}


class Prefill(torch.nn.Module):
    """Embeddings in, logits after the last position out. Layer by layer: the search for packed sequences in
    transformers' masks does not convert, and without a mask its attention is causal."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, embeddings):
        decoder = self.model.model
        positions = torch.arange(embeddings.shape[1])[None]
        angles = decoder.rotary_emb(embeddings, positions)
        hidden = embeddings
        for layer in decoder.layers:
            hidden = layer(hidden, attention_mask=None, position_embeddings=angles)
        return self.model.lm_head(decoder.norm(hidden[:, -1]))


class Tower(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model(pixel_values=pixel_values).last_hidden_state


def load(kind, shape, threads, static=False, tokens=600):
    start = time.perf_counter()
    model = getattr(torch_models, kind)(shape, torch.float32)
    if kind == "decoder":
        wrapped, size = Prefill(model), (1, tokens, shape["hiddenSize"])
    else:
        wrapped, size = Tower(model), (1, 3, shape["imageSize"], shape["imageSize"])
    with torch.inference_mode():
        converted = openvino.convert_model(wrapped, example_input=torch.randn(size))
    del model, wrapped
    converted.reshape(size)
    if static:
        converted = statically_quantised(converted, size)
    else:
        converted = nncf.compress_weights(converted, mode=nncf.CompressWeightsMode.INT8_SYM)
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if not static:
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = "128"
    loaded["model"] = openvino.Core().compile_model(converted, "CPU", options)
    loaded["size"] = size
    return {"ms": 1000 * (time.perf_counter() - start)}


def statically_quantised(model, size):
    tiles = [numpy.random.default_rng(seed).standard_normal(size, numpy.float32) for seed in range(4)]
    return nncf.quantize(model, nncf.Dataset(tiles), model_type=nncf.ModelType.TRANSFORMER, subset_size=4)


def run(seed):
    """One prefill or one tile."""
    data = numpy.random.default_rng(seed).standard_normal(loaded["size"], numpy.float32)
    start = time.perf_counter()
    loaded["model"](data)
    return {"ms": 1000 * (time.perf_counter() - start)}


serve_operations({"load": load, "run": run})

"""Logits of a saved model, or of an adapter over its base, as transformers and PEFT compute them."""

import json
import pathlib
import sys

import numpy
import torch
import transformers

folder = pathlib.Path(sys.argv[1])
request = json.loads((folder / "request.json").read_text())
model = transformers.AutoModelForImageTextToText.from_pretrained(
    request["base"] or request["folder"], dtype=torch.float32
)
if request["base"]:
    import peft

    model = peft.PeftModel.from_pretrained(model, request["folder"])
pixels = numpy.fromfile(folder / "pixels.f32", dtype=numpy.float32).reshape(request["shape"])
with torch.inference_mode():
    logits = model.eval()(
        input_ids=torch.tensor([request["inputIds"]]), pixel_values=torch.from_numpy(pixels)
    ).logits[0]
logits.float().numpy().tofile(folder / "logits.f32")

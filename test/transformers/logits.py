"""Logits of checkpoints, or of adapters over their bases, as transformers and PEFT compute them: one folder a question.

In float64, so that what differs is our rounding alone and not theirs as well.
"""

import json
import pathlib
import sys
import traceback

import numpy
import torch
import transformers


def model_of(request):
    folder = request["base"] or request["checkpoint"]
    model, found = transformers.AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    wrong = {kind: names for kind, names in found.items() if names and kind != "error_msgs"}
    missing = [name for names in wrong.values() for name in names if "pooler" not in str(name)]
    if missing:
        raise ValueError(f"loaded with {wrong}")
    if request["base"]:
        import peft

        model = peft.PeftModel.from_pretrained(model, request["checkpoint"])
    return model.double().eval()


def inputs_of(folder, request, kind):
    pixels = numpy.fromfile(folder / "pixels.f32", dtype=numpy.float32).reshape(-1, *request["shape"])
    pixels = torch.from_numpy(pixels).double()
    tiles = sum(image["tiles"] for image in request["images"])
    inputs = {"input_ids": torch.tensor([request["inputIds"]]), "pixel_values": pixels[:tiles]}
    if kind != "llava":
        sizes = [[image["height"], image["width"]] for image in request["images"]]
        inputs["image_sizes"] = torch.tensor(sizes)
    if request["frames"]:
        inputs["pixel_values_videos"] = pixels[tiles:][None]
    return inputs


for folder in map(pathlib.Path, sys.argv[1:]):
    request = json.loads((folder / "request.json").read_text())
    try:
        model = model_of(request)
        kind = getattr(model, "config").model_type
        with torch.inference_mode():
            logits = model(**inputs_of(folder, request, kind)).logits[0]
        logits.float().numpy().tofile(folder / "logits.f32")
    except Exception:
        (folder / "error.txt").write_text(traceback.format_exc()[-1500:])

"""The shapes of shapes.ts as transformers' classes, with random weights."""

import torch
import transformers


def decoder(shape, dtype):
    names = {"llama": ("LlamaConfig", "LlamaForCausalLM"), "qwen2": ("Qwen2Config", "Qwen2ForCausalLM")}
    config_class, model_class = (getattr(transformers, name) for name in names[shape["kind"]])
    config = config_class(
        hidden_size=shape["hiddenSize"],
        intermediate_size=shape["intermediateSize"],
        num_hidden_layers=shape["numLayers"],
        num_attention_heads=shape["numHeads"],
        num_key_value_heads=shape["numKvHeads"],
        vocab_size=shape["vocabSize"],
        tie_word_embeddings=shape["tieEmbeddings"],
        max_position_embeddings=shape["maxPositions"],
        attn_implementation="sdpa",
    )
    return built(model_class, config, dtype)


def tower(shape, dtype):
    names = {
        "clip_vision_model": ("CLIPVisionConfig", "CLIPVisionModel"),
        "siglip_vision_model": ("SiglipVisionConfig", "SiglipVisionModel"),
    }
    config_class, model_class = (getattr(transformers, name) for name in names[shape["kind"]])
    config = config_class(
        hidden_size=shape["hiddenSize"],
        intermediate_size=shape["intermediateSize"],
        num_hidden_layers=shape["numLayers"],
        num_attention_heads=shape["numHeads"],
        image_size=shape["imageSize"],
        patch_size=shape["patchSize"],
        attn_implementation="sdpa",
    )
    if shape["kind"] == "siglip_vision_model":
        config.vision_use_head = False  # LLaVA reads the patches, not the pooled vector.
    return built(model_class, config, dtype)


def built(model_class, config, dtype):
    """Weights are views of one pool of normals: drawing billions of them takes minutes."""
    with torch.device("meta"):
        model = model_class(config)
    model = model.to(dtype).to_empty(device="cpu").eval()
    pool = torch.randn(1 << 22).to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
                continue
            scale = parameter.shape[-1] ** -0.5
            flat = parameter.view(-1)
            for start in range(0, flat.numel(), pool.numel()):
                part = flat[start : start + pool.numel()]
                part.copy_(pool[: part.numel()] * scale)
    restore_buffers(model, config)
    model.tie_weights()
    return model


def restore_buffers(model, config):
    """`to_empty` leaves positions and rotary frequencies undefined."""
    for module in model.modules():
        if hasattr(module, "position_ids") and isinstance(module.position_ids, torch.Tensor):
            module.position_ids = torch.arange(module.position_ids.shape[-1]).expand(1, -1)
        if hasattr(module, "inv_freq"):
            fresh = type(module)(config=config)
            module.inv_freq = fresh.inv_freq
            module.original_inv_freq = fresh.inv_freq.clone()

/**
 * A caller's wishes about clips against what a checkpoint says: how many frames, positions stretched to make room, and how
 * much of the context is used.
 *
 * Source: LLaVA-VL/LLaVA-NeXT playground/demo/video_demo.py at df17966; the stretching, arXiv:2306.15595.
 */
import { describeValue } from '../core/describe-value.ts'
import { ConfigError } from '../core/errors.ts'
import type { ModelConfig, PromptConfig } from './family.ts'

export type ClipOptions = {
  /** Frames of a clip whose request does not say how many. */
  readonly frames?: number | undefined
  /** Position p turns as p / factor; `auto`: as the demo of NeXT-Video chooses it for the number of frames. */
  readonly ropeScaling?: 'auto' | number | undefined
  /** The longest sequence, whatever else makes it. */
  readonly maxContext?: number | undefined
}

/** Throws ConfigError for values that cannot be. */
export function withClipOptions(config: ModelConfig, options: ClipOptions): ModelConfig {
  const scaled = withRopeScaling(withFrames(config, options.frames), options.ropeScaling)
  return { ...scaled, maxContext: options.maxContext ?? scaled.maxContext }
}

function withFrames(config: ModelConfig, frames: number | undefined): ModelConfig {
  if (frames === undefined) return config
  if (!Number.isInteger(frames) || frames < 1) {
    throw new ConfigError(
      'CONFIG_FRAMES',
      `loadModel: frames should be a whole number from 1, ${describeValue(frames)} came; leave it out for as many as fit.`,
    )
  }
  return config.video ? { ...config, video: { ...config.video, frames } } : config
}

function withRopeScaling(config: ModelConfig, scaling: 'auto' | number | undefined): ModelConfig {
  if (scaling === undefined) return config
  if (scaling === 'auto') return withDemoScaling(config)
  if (typeof scaling !== 'number' || !Number.isFinite(scaling) || scaling < 1) {
    throw new ConfigError(
      'CONFIG_ROPE_SCALING',
      `loadModel: ropeScaling should be 'auto' or a number from 1, ${describeValue(scaling)} came; leave it out for what the checkpoint says.`,
    )
  }
  const { decoder, layout, maxContext } = config
  // An original's tokenizer names the context as the checkpoint's own factor scales it.
  const unscaled = layout === 'hf' ? decoder.maxPositions : maxContext / decoder.rope.factor
  return { ...withFactor(config, scaling), maxContext: Math.floor(unscaled * scaling) }
}

/** The context of the models that the demo was made for, and what it leaves for text. */
const DEMO_CONTEXT = 4096
const DEMO_TEXT = 1000

/**
 *   factor = ⌈(frames · ⌊g / stride⌋² + 1000) / 4096⌉
 *
 * From 2 on the context is that much longer. Only Vicuna's positions are stretched: the others were made for more.
 */
function withDemoScaling(config: ModelConfig): ModelConfig {
  const { video, decoder, maxContext } = config
  if (!video || decoder.kind === 'qwen2') return config
  const { patchesPerSide, pooling } = video.tokens
  const side =
    pooling.mode === 'none' ? patchesPerSide : Math.floor(patchesPerSide / pooling.stride)
  const tokens = (video.frames ?? video.maxFrames) * side * side + DEMO_TEXT
  const factor = Math.ceil(tokens / DEMO_CONTEXT)
  if (factor < 2) return config
  const isStretched = isVicuna(config)
  // What a config stretches more than the demo does is not that long any more.
  const share = isStretched ? Math.min(1, factor / decoder.rope.factor) : 1
  const context = Math.max(Math.floor(maxContext * share), DEMO_CONTEXT * factor)
  const longer = { ...config, maxContext: context }
  return isStretched ? withFactor(longer, factor) : longer
}

/**
 * The demo looks for the word in the base model's name, which most checkpoints do not tell; these are the numbers behind it,
 * and its prompt. Yi and Llama 3 turn slower, LLaMA 2 has the same numbers.
 */
function isVicuna({ decoder, prompt }: ModelConfig): boolean {
  return decoder.kind === 'llama' && decoder.rope.theta === 10000 && !isLlama2(prompt)
}

/** By how it is asked: `[INST] … [/INST]`. */
function isLlama2(prompt: PromptConfig): boolean {
  if (prompt.kind === 'conversation') return prompt.mode.includes('llama_2')
  return prompt.kind === 'template' && prompt.template.includes('[INST]')
}

function withFactor(config: ModelConfig, factor: number): ModelConfig {
  const { decoder } = config
  return { ...config, decoder: { ...decoder, rope: { ...decoder.rope, factor } } }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { withClipOptions, type ClipOptions } from './clip-options.ts'
import { conversationTemplate } from './convert/conversation-template.ts'
import type { ModelConfig } from './family.ts'
import { familyOf } from './index.ts'
import { defaultFrames, fittingFrames, roomForFrames } from './video-config.ts'

const CLIP = { model_type: 'clip_vision_model', image_size: 336, patch_size: 14 }
const PROCESSOR = {
  image_processor_type: 'LlavaNextImageProcessor',
  size: { shortest_edge: 336 },
  crop_size: { height: 336, width: 336 },
}

function nextVideo(text: object, options: ClipOptions, template?: string): ModelConfig {
  const config = {
    model_type: 'llava_next_video',
    vision_config: CLIP,
    text_config: { model_type: 'llama', max_position_embeddings: 4096, ...text },
  }
  const files = new Map<string, unknown>([
    ['config.json', config],
    ['preprocessor_config.json', PROCESSOR],
    ...(template === undefined ? [] : [['chat_template.jinja', template] as const]),
  ])
  return withClipOptions(
    familyOf({ name: 'test', files }).parseConfig({ name: 'test', files }, {}),
    options,
  )
}

/** The same model in the layout of the original repositories. */
function original(keys: object, options: ClipOptions, name = 'test'): ModelConfig {
  const config = {
    model_type: 'llava_llama',
    max_position_embeddings: 4096,
    mm_vision_tower: 'openai/clip-vit-large-patch14-336',
    mm_projector_type: 'mlp2x_gelu',
    ...keys,
  }
  const documents = { name, files: new Map([['config.json', config]]) }
  return withClipOptions(familyOf(documents).parseConfig(documents, {}), options)
}

function factorAndContext(text: object, options: ClipOptions): [number, number] {
  const { decoder, maxContext } = nextVideo(text, options)
  return [decoder.rope.factor, maxContext]
}

test('how many frames fit does not depend on how many were asked for', () => {
  const asked = nextVideo({}, { frames: 10_000 })
  assert.deepEqual([defaultFrames(asked, 1), fittingFrames(asked, 1)], [10_000, 21])
})

test('what fits is bound by the context alone, what is taken unasked also by what a model is usually shown', () => {
  const long = nextVideo({ max_position_embeddings: 16_384 }, {})
  assert.deepEqual([fittingFrames(long, 1), roomForFrames(long, 1)], [32, 106])
  assert.deepEqual([fittingFrames(long, 2), roomForFrames(long, 2)], [32, 53])
  assert.deepEqual([fittingFrames(long, 200), roomForFrames(long, 200)], [1, 0])
})

test('auto stretches as the demo does: 16 frames not, 32 by 2, 56 by 3', () => {
  assert.deepEqual(factorAndContext({}, { ropeScaling: 'auto', frames: 16 }), [1, 4096])
  assert.deepEqual(factorAndContext({}, { ropeScaling: 'auto', frames: 32 }), [2, 8192])
  assert.deepEqual(factorAndContext({}, { ropeScaling: 'auto', frames: 56 }), [3, 12288])
  assert.deepEqual(factorAndContext({}, { ropeScaling: 'auto' }), [2, 8192])
})

test('auto leaves what the config says where it asks for nothing, and stretches Vicuna only', () => {
  const scaled = { rope_scaling: { type: 'linear', factor: 2.5 } }
  assert.deepEqual(factorAndContext(scaled, { ropeScaling: 'auto', frames: 16 }), [2.5, 10240])
  // Once the context stayed that of the config's factor.
  assert.deepEqual(factorAndContext(scaled, { ropeScaling: 'auto', frames: 32 }), [2, 8192])
  assert.deepEqual(factorAndContext({ rope_theta: 5e6 }, { ropeScaling: 'auto' }), [1, 8192])
  const mistral = { model_type: 'mistral', max_position_embeddings: 32768 }
  assert.deepEqual(factorAndContext(mistral, { ropeScaling: 'auto', frames: 56 }), [1, 32768])
  assert.deepEqual(factorAndContext({ model_type: 'qwen2' }, { ropeScaling: 'auto' }), [1, 4096])
})

// Once LLaMA 2 was stretched as Vicuna is, whose numbers it has: the demo makes its context longer and leaves its positions.
test('auto does not stretch LLaMA 2, in either layout', () => {
  const auto = { ropeScaling: 'auto', frames: 32 } as const
  const factors = (name: string, mode: string) =>
    [original({}, auto, name), nextVideo({}, auto, conversationTemplate(mode))].map(
      ({ decoder, maxContext }) => [decoder.rope.factor, maxContext],
    )
  const llama2 = factors('liuhaotian/llava-llama-2-13b-chat-lightning-preview', 'llava_llama_2')
  const vicuna = factors('liuhaotian/llava-v1.6-vicuna-7b', 'vicuna_v1')
  assert.deepEqual(llama2, [
    [1, 8192],
    [1, 8192],
  ])
  assert.deepEqual(vicuna, [
    [2, 8192],
    [2, 8192],
  ])
})

test('a number is taken as it is, in place of the config’s', () => {
  assert.deepEqual(factorAndContext({}, { ropeScaling: 2 }), [2, 8192])
  const scaled = { rope_scaling: { type: 'linear', factor: 2.5 } }
  assert.deepEqual(factorAndContext(scaled, { ropeScaling: 1 }), [1, 4096])
})

// Once an original's context was that of its own factor and of the asked one.
test('an original is as long as the same model in the other layout, whatever factor is asked for', () => {
  const scaled = { rope_scaling: { type: 'linear', factor: 2.5 } }
  for (const ropeScaling of [undefined, 1, 2, 2.5, 4]) {
    const [, context] = factorAndContext(scaled, { ropeScaling })
    for (const limit of [{}, { tokenizer_model_max_length: 10240 }]) {
      assert.equal(original({ ...scaled, ...limit }, { ropeScaling }).maxContext, context)
    }
  }
  const short = { tokenizer_model_max_length: 2048 }
  assert.equal(original(short, { ropeScaling: 2 }).maxContext, 4096)
})

test('frames are what requests get that do not say', () => {
  assert.equal(defaultFrames(nextVideo({}, { frames: 4 }), 1), 4)
})

test('values that cannot be are refused', () => {
  for (const options of [
    { frames: 0 },
    { frames: 1.5 },
    { ropeScaling: 0.5 },
    { ropeScaling: 'x' as 'auto' },
  ]) {
    assert.throws(() => nextVideo({}, options), ConfigError)
  }
})

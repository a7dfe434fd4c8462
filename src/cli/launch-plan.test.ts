import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openParts } from '../load-checkpoint.ts'
import { planLaunch, type LaunchFacts, type LaunchOptions } from './launch-plan.ts'

const OPTIONS: LaunchOptions = {
  host: '127.0.0.1',
  port: 8000,
  servedName: null,
  maxContext: 4096,
  dtype: null,
  gpuGib: 80,
  gpus: 8,
  maxImages: null,
}

const NOTHING_GIVEN = { parts: [], template: [], revision: [], offline: [] }

async function plan(
  engine: LaunchFacts['engine'],
  model: string,
  { options = {}, ...facts }: Partial<LaunchFacts> & { options?: Partial<LaunchOptions> } = {},
) {
  const checkpoint = await openParts(`fixtures/inference/${model}`, {})
  checkpoint.close()
  const found: LaunchFacts = {
    engine,
    model,
    config: checkpoint.config,
    elements: { float16: 7e9 },
    isInParts: false,
    isPacked: false,
    given: NOTHING_GIVEN,
    ...facts,
  }
  return planLaunch(found, { ...OPTIONS, ...options })
}

test('a checkpoint that an engine reads as it is is not converted, one of the other layout is', async () => {
  assert.equal((await plan('vllm', 'llava-mlp')).convert, null)
  assert.equal((await plan('sglang', 'llava-mlp')).convert, null)
  const { convert, command } = await plan('sglang', 'next-qwen')
  assert.equal(
    convert?.join(' '),
    'npx llava convert next-qwen --to original --out next-qwen-original',
  )
  assert.match(
    command.join(' '),
    /^python3 -m sglang.launch_server --model-path next-qwen-original /,
  )
  const merged = await plan('vllm', 'llava-mlp', { isInParts: true })
  assert.equal(merged.convert?.at(-1), 'llava-mlp-hf')
})

test('what is given of the parts is converted with them, and what conversion keeps is said once', async () => {
  const given = {
    parts: ['--adapter', 'one', '--adapter', 'two', '--quirk', 'fit=pad'],
    template: ['--template', 'vicuna_v1'],
    revision: ['--revision', 'v1'],
    offline: ['--offline'],
  }
  const all =
    '--adapter one --adapter two --quirk fit=pad --template vicuna_v1 --revision v1 --offline'
  const merged = await plan('vllm', 'llava-mlp', { isInParts: true, given })
  const out = 'llava-mlp-hf'
  assert.equal(
    merged.convert?.join(' '),
    `npx llava convert llava-mlp ${all} --to llava-hf --out ${out}`,
  )
  assert.equal(merged.front.slice(-2).join(' '), `--model ${out}`)
  assert.doesNotMatch(merged.command.join(' '), /revision/)
  assert.doesNotMatch(merged.warnings.join(), /--template/)
  const original = await plan('sglang', 'next-qwen', { isInParts: true, given })
  assert.match(original.convert!.join(' '), /--template vicuna_v1/)
  assert.match(original.front.join(' '), /--model next-qwen-original --template vicuna_v1$/)
})

test('of a checkpoint that is not converted, template and revision are given to who reads it', async () => {
  const given = {
    parts: [],
    template: ['--template', 'vicuna_v1'],
    revision: ['--revision', 'v1'],
    offline: ['--offline'],
  }
  for (const engine of ['vllm', 'sglang'] as const) {
    const { command, front, warnings } = await plan(engine, 'llava-mlp', { given })
    assert.match(command.join(' '), /llava-mlp --revision v1 /)
    assert.match(front.join(' '), /--model llava-mlp --template vicuna_v1 --revision v1 --offline$/)
    assert.match(warnings.join(), /add --chat-template FILE/)
  }
})

test('the address of the front is a URL that can be reached', async () => {
  const url = async (host: string) =>
    (await plan('vllm', 'llava-mlp', { options: { host } })).front[4]
  assert.equal(await url('::1'), 'http://[::1]:8000')
  assert.equal(await url('::'), 'http://HOST:8000')
  assert.equal(await url('0.0.0.0'), 'http://HOST:8000')
})

test('the type is the one that most weights are stored in; float32 becomes float16', async () => {
  const dtype = async (elements: LaunchFacts['elements']) =>
    (await plan('vllm', 'llava-mlp', { elements })).dtype
  assert.equal(await dtype({ bfloat16: 100, float32: 3 }), 'bfloat16')
  assert.equal(await dtype({ float32: 100 }), 'float16')
  const said = await plan('vllm', 'llava-mlp', { options: { dtype: 'float32' } })
  assert.equal(said.weightBytes, 4 * 7e9)
})

test('as many cards as weights and a context need, that its heads can be divided by', async () => {
  const cards = (gpuGib: number, gpus = 8) =>
    plan('vllm', 'llava-mlp', { elements: { float16: 34e9 }, options: { gpuGib, gpus } })
  const { attention } = (await openParts('fixtures/inference/llava-mlp', {})).config.decoder
  const possible = (n: number) => attention.numHeads % n === 0
  const one = await cards(80)
  assert.equal(one.tensorParallel, 1)
  const few = await cards(48)
  assert.equal(few.tensorParallel, [2, 4, 8].find(possible))
  assert.ok(few.command.join(' ').includes(`--tensor-parallel-size ${few.tensorParallel}`))
  const none = await cards(8, 2)
  assert.ok(none.warnings.some((one_) => /do not fit 2 cards of 8 GiB/.test(one_)))
})

test('pictures of a request are as many as the context holds', async () => {
  const { limits } = await plan('vllm', 'llava-mlp', { options: { maxContext: 2048 } })
  const [fewer, more] = [limits.image, (await plan('vllm', 'llava-mlp')).limits.image]
  assert.ok(fewer >= 1 && fewer < more)
  const { warnings } = await plan('vllm', 'llava-mlp', { options: { maxImages: 15 } })
  assert.ok(warnings.some((one) => /15 pictures of \d+ tokens are more/.test(one)))
})

test('what an engine cannot serve is said, and not converted for it', async () => {
  const merging = await plan('vllm', 'mini-vit-crop', { isPacked: true })
  assert.equal(merging.convert, null)
  assert.match(merging.reasons.join('\n'), /its tower is a ViT/)
  const clips = await plan('sglang', 'next-video-rope')
  assert.equal(clips.reasons.length, 1)
  assert.deepEqual((await plan('vllm', 'next-video-rope')).limits, { image: 0, video: 1 })
})

test('mini is refused by name: its patches are merged before the projector', async () => {
  const { config } = await openParts('fixtures/inference/llava-mlp', {})
  const vision = { ...config.vision!, patchMerge: 2 }
  for (const engine of ['vllm', 'sglang'] as const) {
    const { reasons } = await plan(engine, 'llava-mlp', {
      config: { ...config, vision },
    })
    assert.match(reasons[0]!, /it merges 2 × 2 patches before its projector/)
  }
})

test('SGLang is told the template of a conversation mode by its own name', async () => {
  const { config } = await openParts('fixtures/inference/llava-mlp', {})
  const of = async (mode: string) => {
    const prompt = { kind: 'conversation', mode, wrapImage: false } as const
    return plan('sglang', 'llava-mlp', { config: { ...config, layout: 'original', prompt } })
  }
  assert.equal((await of('vicuna_v1')).chatTemplate, 'vicuna_v1.1')
  const unknown = await of('llava_v0')
  assert.equal(unknown.chatTemplate, null)
  assert.match(unknown.warnings.join('\n'), /conversation mode llava_v0/)
})

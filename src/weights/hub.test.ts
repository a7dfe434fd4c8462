import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { LlavaError } from '../core/errors.ts'
import {
  checkModelId,
  hubOptionsFromEnvironment,
  isModelId,
  missingFiles,
  repositoryFolder,
  repositoryOf,
  selectFiles,
} from './hub.ts'

test('the environment means what it means to Python', () => {
  const home = { HOME: '/home/u' }
  assert.deepEqual(hubOptionsFromEnvironment(home), {
    cacheDir: '/home/u/.cache/huggingface/hub',
    endpoint: 'https://huggingface.co',
    offline: false,
    tokenFile: '/home/u/.cache/huggingface/token',
  })
  const set = (env: Record<string, string>) => hubOptionsFromEnvironment({ ...home, ...env })
  assert.equal(set({ XDG_CACHE_HOME: '/x' }).cacheDir, '/x/huggingface/hub')
  assert.equal(set({ HF_HOME: '~/hf', XDG_CACHE_HOME: '/x' }).cacheDir, '/home/u/hf/hub')
  assert.equal(set({ HF_HOME: '/hf' }).tokenFile, '/hf/token')
  assert.equal(set({ HF_HOME: '/hf', HF_HUB_CACHE: '/c' }).cacheDir, '/c')
  assert.equal(set({ HUGGINGFACE_HUB_CACHE: '/legacy' }).cacheDir, '/legacy')
  assert.equal(set({ HF_ENDPOINT: 'https://mirror/' }).endpoint, 'https://mirror')
  assert.equal(set({ HF_TOKEN: ' hf_a\n' }).token, 'hf_a')
  assert.equal(set({ HUGGING_FACE_HUB_TOKEN: 'hf_b' }).token, 'hf_b')
  assert.equal(set({ HF_TOKEN_PATH: '/t' }).tokenFile, '/t')
  const names = [
    'HF_HOME',
    'HF_HUB_CACHE',
    'HUGGINGFACE_HUB_CACHE',
    'XDG_CACHE_HOME',
    'HF_ENDPOINT',
  ]
  const unset = [...names, 'HF_TOKEN', 'HF_TOKEN_PATH', 'HF_HUB_OFFLINE'].map((name) => [name, ''])
  assert.deepEqual(set(Object.fromEntries(unset)), set({}))
  assert.equal(set({ HF_TOKEN: '', HUGGING_FACE_HUB_TOKEN: 'hf_b' }).token, 'hf_b')
  assert.equal(set({ HF_HUB_CACHE: '', HF_HOME: '/hf' }).cacheDir, '/hf/hub')
  const silent = set({ HF_TOKEN: 'hf_a', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })
  assert.deepEqual([silent.token, silent.tokenFile], [undefined, undefined])
  for (const value of ['1', 'true', 'YES', 'on']) assert.ok(set({ HF_HUB_OFFLINE: value }).offline)
  for (const value of ['0', 'false', '']) assert.ok(!set({ HF_HUB_OFFLINE: value }).offline)
  assert.ok(set({ TRANSFORMERS_OFFLINE: '1' }).offline)
  assert.equal(
    hubOptionsFromEnvironment({ USERPROFILE: 'C:\\u' }).cacheDir,
    'C:\\u/.cache/huggingface/hub',
  )
})

test('ids are what the hub allows and never a path', () => {
  for (const id of ['gpt2', 'llava-hf/llava-1.5-7b-hf', 'a_b/C.d']) assert.ok(isModelId(id), id)
  for (const id of ['./model', '../model', 'a/b/c', 'C:\\model', '/model', 'a//b', 'a/', '-a/b'])
    assert.ok(!isModelId(id), id)
  for (const revision of ['..0', 'a..b', '.a', 'a/.b']) {
    assert.throws(() => checkModelId('gpt2', revision), { code: 'INPUT_MODEL_REVISION' })
  }
  fc.assert(
    fc.property(fc.string(), fc.string(), (id, revision) => {
      try {
        checkModelId(id, revision)
      } catch (error) {
        return error instanceof LlavaError
      }
      return (
        !/[\\]|\.\./.test(`${repositoryFolder(id)} ${revision}`) &&
        !repositoryFolder(id).includes('/')
      )
    }),
  )
})

test('a snapshot is of the repository that its folder names', () => {
  for (const id of ['gpt2', 'llava-hf/llava-1.5-7b-hf']) {
    assert.equal(repositoryOf(`/hub/${repositoryFolder(id)}/snapshots/0a1b`), id)
  }
  assert.equal(repositoryOf('C:\\hub\\models--a--b\\snapshots\\0a1b'), 'a/b')
  for (const path of ['/hub/models--a--b', '/hub/models--a--b/snapshots/0a1b/x', '/snapshots/0a1b'])
    assert.equal(repositoryOf(path), null)
})

test('one form of the weights is chosen, safetensors first', () => {
  const small = ['config.json', 'tokenizer.model', 'chat_template.jinja', 'merges.txt']
  const all = [
    ...small,
    'model-00001-of-00002.safetensors',
    'pytorch_model-00001-of-00002.bin',
    'consolidated.safetensors',
    'README.md',
    'onnx/model.onnx',
    'x.gguf',
  ]
  assert.deepEqual(selectFiles(all), [...small, 'model-00001-of-00002.safetensors'])
  assert.deepEqual(selectFiles(['config.json', 'pytorch_model.bin', 'optimizer.bin']), [
    'config.json',
    'pytorch_model.bin',
  ])
  assert.deepEqual(selectFiles(['a.gguf', 'config.json']), ['config.json', 'a.gguf'])
  assert.deepEqual(
    selectFiles(['adapter_config.json', 'adapter_model.bin', 'non_lora_trainables.bin']),
    ['adapter_config.json', 'non_lora_trainables.bin', 'adapter_model.bin'],
  )
  assert.throws(() => selectFiles(['a.gguf', 'b.gguf']), /name the one you want with allow/)
  assert.deepEqual(selectFiles(['a.gguf', 'b.gguf', 'deep/b.gguf'], ['*b.gguf']), [
    'b.gguf',
    'deep/b.gguf',
  ])
  assert.deepEqual(selectFiles(['a1.x', 'a2.x', 'ab.x', 'a-.x', 'a].x'], ['a[0-9].x']), [
    'a1.x',
    'a2.x',
  ])
  assert.deepEqual(selectFiles(['a1.x', 'ab.x'], ['a[!0-9]?x']), ['ab.x'])
})

test('patterns of any text match without an accident', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (glob, paths) => {
      const chosen = selectFiles(paths, [glob])
      return chosen.every((path) => paths.includes(path))
    }),
  )
})

test('what is missing is told by name, for one file, for shards, for pickles', () => {
  const missing = (names: string[], indexes: Record<string, unknown> = {}, allow?: string[]) =>
    missingFiles(names, new Map(Object.entries(indexes)), allow)
  const index = {
    weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors', c: 'model-1.safetensors' },
  }
  assert.deepEqual(missing(['config.json', 'model.safetensors']), [])
  assert.deepEqual(missing([]), ['config.json', 'model.safetensors'])
  assert.deepEqual(
    missing(['config.json', 'model-1.safetensors'], { 'model.safetensors.index.json': index }),
    ['model-2.safetensors'],
  )
  assert.deepEqual(
    missing(['config.json', 'model.safetensors'], { 'pytorch_model.bin.index.json': index }),
    [],
  )
  assert.deepEqual(missing(['config.json'], { 'model.safetensors.index.json': 'broken' }), [
    'a readable model.safetensors.index.json',
  ])
  assert.deepEqual(missing(['x.gguf']), [])
  assert.deepEqual(missing(['adapter_config.json', 'adapter_model.bin']), [])
  assert.deepEqual(missing(['tokenizer.json'], {}, ['*.json', '*.model']), ['*.model'])
})

import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CheckpointError, ConfigError } from '../core/errors.ts'
import { writeGguf } from '../weights/index.ts'
import { loadTokenizer } from './node.ts'

const SMALL = 'fixtures/text/tokenizers'
const root = await mkdtemp(join(tmpdir(), 'tokenizer-'))
after(() => rm(root, { recursive: true }))

async function folder(name: string): Promise<string> {
  const path = join(root, name)
  await mkdir(path)
  return path
}

test('a file is read with the files beside it, as its folder is', async () => {
  const text = 'a <im_start> b'
  const whole = await loadTokenizer(`${SMALL}/llava-v1`)
  const file = await loadTokenizer(`${SMALL}/llava-v1/tokenizer.model`)
  assert.deepEqual(file.encode(text), whole.encode(text))
  assert.ok(whole.encode(text).includes(512))
})

test('tokenizer.json counts where both are there', async () => {
  const both = await folder('both')
  await copyFile(`${SMALL}/llava-v1/tokenizer.model`, join(both, 'tokenizer.model'))
  await copyFile(`${SMALL}/mini-vit/tokenizer.json`, join(both, 'tokenizer.json'))
  assert.equal((await loadTokenizer(both)).vocabSize, 637)
})

test('a GGUF file is a tokenizer, alone or in a folder', async () => {
  const path = join(await folder('gguf'), 'model.gguf')
  const fields = {
    'tokenizer.ggml.model': { type: 'string', value: 'llama' },
    'tokenizer.ggml.tokens': { type: 'string[]', value: ['<unk>', '<s>', '▁', 'a', '▁a'] },
    'tokenizer.ggml.scores': { type: 'float32[]', value: [0, 0, -2, -3, -1] },
    'tokenizer.ggml.token_type': { type: 'int32[]', value: [2, 3, 1, 1, 1] },
    'tokenizer.ggml.bos_token_id': { type: 'uint32', value: 1 },
  } as const
  await writeGguf(path, fields, [], () => new Float32Array(0))
  for (const place of [path, join(root, 'gguf')]) {
    const tokenizer = await loadTokenizer(place)
    assert.deepEqual(tokenizer.encode('aa a', { addBos: true }), [1, 4, 3, 4])
  }
})

test('what is no tokenizer says what was looked for', async () => {
  const empty = await folder('empty')
  await writeFile(join(empty, 'config.json'), '{}')
  for (const path of [join(root, 'nowhere'), empty]) {
    await assert.rejects(
      () => loadTokenizer(path),
      (error) => error instanceof CheckpointError && error.message.includes('tokenizer.model'),
    )
  }
  await assert.rejects(() => loadTokenizer(empty), /config\.json/)
  await writeFile(join(empty, 'tokenizer.json'), '')
  await assert.rejects(() => loadTokenizer(empty), CheckpointError)
})

test('unknown options are refused', async () => {
  const load = (options: object): Promise<unknown> => loadTokenizer(`${SMALL}/llava-v1`, options)
  await assert.rejects(() => load({ space: 'first' }), { code: 'INPUT_UNKNOWN_OPTION' })
  await assert.rejects(() => load({ spaces: 'last' }), { code: 'INPUT_OPTION_VALUE' })
})

test("tiktoken ranks other than Llama 3's are refused", async () => {
  const path = join(await folder('ranks'), 'tokenizer.model')
  await writeFile(path, 'IQ== 0\nIg== 1\n')
  await assert.rejects(() => loadTokenizer(path), ConfigError)
})

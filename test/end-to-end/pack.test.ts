/** `llava pack`: what is missing or cannot be packed is told before anything is written. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadModel } from '../../src/index.ts'
import { openWeightFile } from '../../src/weights/index.ts'
import { writeTinyAdapter } from '../tiny/adapter.ts'
import { writeTinyGguf } from '../tiny/gguf.ts'
import { llava } from './run-cli.ts'

const FOLDER = mkdtempSync(join(tmpdir(), 'llava-pack-'))
after(() => rmSync(FOLDER, { recursive: true }))
const at = (name: string) => join(FOLDER, name)

const BASE = join('fixtures', 'inference', 'llava-mlp')
const OUT = at('out')

before(async () => {
  await writeTinyGguf(at('lm.gguf'))
  cpSync(join('fixtures', 'original', 'checkpoints', 'llava-v1.5'), at('original'), {
    recursive: true,
  })
  const config = readFileSync(join(at('original'), 'config.json'), 'utf8')
  writeFileSync(
    join(at('original'), 'config.json'),
    config.replace('openai/clip-vit-large-patch14-336', 'my-tower'),
  )
  const weights = new Map([['model.layers.0.self_attn.q_proj.weight', [48, 48]]])
  await writeTinyAdapter(at('adapter'), weights, () => 0.1)
  writeFileSync(at('card.md'), '# A card\n')
})

const card = ['--card', at('card.md')]

for (const { what, args, code, message, exit } of [
  {
    what: 'an adapter that is not there',
    args: [BASE, '--adapter', at('none')],
    code: 'CHECKPOINT_ADAPTER_MISSING',
    message: at('none'),
    exit: 1,
  },
  {
    what: 'an adapter without a README.md',
    args: [BASE, '--adapter', at('adapter')],
    code: 'CONFIG_OPTION',
    message: '(--card)',
    exit: 2,
  },
  {
    what: 'a card that is not there',
    args: [BASE, '--adapter', at('adapter'), '--card', at('none.md')],
    code: 'USAGE',
    message: `--card should be a file with the text of the README.md, ${at('none.md')} is none`,
    exit: 2,
  },
  {
    what: 'a base that is a file',
    args: [at('lm.gguf'), '--adapter', at('adapter'), ...card],
    code: 'CONFIG_OPTION',
    message: `the file ${at('lm.gguf')} came`,
    exit: 2,
  },
  {
    what: 'a tower that is not to be found from the packed folder',
    args: [at('original'), '--adapter', at('adapter'), ...card],
    code: 'CHECKPOINT_PART_MISSING',
    message: `${OUT}: it needs "my-tower"`,
    exit: 1,
  },
  { what: 'no base', args: ['--adapter', at('adapter')], code: 'USAGE', message: '', exit: 2 },
]) {
  test(`${what} is told by its name, and nothing is written`, async () => {
    const before = readdirSync(FOLDER)
    const ran = await llava(['pack', ...args, '--out', OUT, '--json'])
    const { error } = JSON.parse(ran.stdout) as { error: { code: string; message: string } }
    assert.deepEqual([error.code, ran.code], [code, exit])
    assert.ok(error.message.includes(message), error.message)
    assert.doesNotMatch(error.message, /--vision-tower|\.tmp/)
    assert.deepEqual(readdirSync(FOLDER), before)
  })
}

test('a packed folder loads, and its card is the given one', async () => {
  const ran = await llava(['pack', BASE, '--adapter', at('adapter'), ...card, '--out', OUT])
  assert.equal(ran.code, 0, ran.stderr)
  assert.equal(readFileSync(join(OUT, 'README.md'), 'utf8'), '# A card\n')
  await using model = await loadModel(OUT)
  assert.equal(model.countTokens({ prompt: 'What?' }).image, 0)
})

test('what is packed in blocks of few bits is converted to float16, unless another dtype is asked for', async () => {
  const pack = ['pack', BASE, '--adapter', at('adapter'), ...card, '--out', at('blocks')]
  assert.equal((await llava(pack)).code, 0)
  for (const [dtype, more] of [
    ['float16', []],
    ['bfloat16', ['--dtype', 'bfloat16']],
  ] as const) {
    const ran = await llava(['convert', at('blocks'), '--out', at(dtype), ...more])
    assert.equal(ran.code, 0, ran.stderr)
    const source = openWeightFile(join(at(dtype), 'model.safetensors'))
    const dtypes = [...source.tensors.values()].map((tensor) => tensor.dtype)
    source.close()
    assert.deepEqual([...new Set(dtypes)], [dtype])
    assert.match(
      readFileSync(join(at(dtype), 'README.md'), 'utf8'),
      new RegExp(`Weights: ${dtype}\\.`),
    )
  }
})

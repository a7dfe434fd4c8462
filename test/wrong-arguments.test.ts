/**
 * Public functions that are called with something else than they take, as JavaScript allows: none may fail on its way
 * through our code with a bare TypeError that names a variable of ours.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fork, gen, InputError, LlavaError, program } from '../src/index.ts'
import * as preprocess from '../src/preprocess/index.ts'
import * as text from '../src/text/index.ts'

type AnyFunction = (...values: unknown[]) => unknown

const WRONG = [undefined, null, 5, 'x', {}, [], [null], true, new Map(), new Uint8Array(3)]
const CALLS = [[], ...WRONG.flatMap((first) => WRONG.map((second) => [first, second]))]

/** Plain geometry, called for every candidate of every picture: unchecked. */
const UNCHECKED = [
  'fitOnCanvas',
  'keptRegion',
  'planTiles',
  'selectBestResolution',
  'shrinkToBudget',
  'tileCount',
]

const tokenizer = text.tokenizerFromJson({
  model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] },
})

const exported = Object.entries({ ...text, ...preprocess, fork, gen, program }).filter(
  ([name, value]) =>
    typeof value === 'function' && !UNCHECKED.includes(name) && name !== 'Tokenizer',
) as unknown as [string, AnyFunction][]

const FUNCTIONS: [string, AnyFunction][] = [
  ...exported,
  ['tokenizer.encode', (...values) => tokenizer.encode(...(values as [string]))],
  ['tokenizer.decode', (...values) => tokenizer.decode(...(values as unknown as [number[]]))],
  ['tokenizer.stream', (...values) => tokenizer.stream(...(values as [object]))],
]

for (const [name, call] of FUNCTIONS) {
  test(`${name} of anything is an answer or an error of ours`, async () => {
    for (const values of CALLS) {
      const fault: unknown = await (async () => call(...values))().then(
        () => undefined,
        (error: unknown) => error,
      )
      if (fault === undefined || fault instanceof LlavaError) continue
      assert.fail(`${name}(${values.map(String).join(', ')}): ${String(fault)}`)
    }
  })
}

test('where, what was expected and what came are told', () => {
  const size = { width: 2, height: 2 }
  const cases: [() => unknown, RegExp][] = [
    [() => tokenizer.encode(5 as never), /^tokenizer\.encode: text should be a string, 5 came/],
    [() => tokenizer.decode('x' as never), /^tokenizer\.decode: ids should be a list, "x" came/],
    [() => tokenizer.stream(null as never), /^tokenizer\.stream: options .* an object, null came/],
    [
      () => (text.renderChat as AnyFunction)(),
      /^renderChat: options should be an object, nothing came/,
    ],
    [
      () => preprocess.countImageTokens(size, {} as never),
      /^countImageTokens: config .* one without tiling.* came; imageTokenConfig makes one\.$/,
    ],
    [
      () => text.renderConversation('vicuna_v1', [{ from: 'human' }] as never),
      /^renderConversation: turns\[0\]\.value should be a text or null, nothing came/,
    ],
  ]
  for (const [call, words] of cases) {
    assert.throws(call, (error) => error instanceof InputError && words.test(error.message))
  }
})

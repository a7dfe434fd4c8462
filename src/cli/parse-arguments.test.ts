import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Arguments } from './arguments.ts'
import { parseArguments } from './parse-arguments.ts'
import { UsageError } from './usage-error.ts'
import { VERBS } from './verbs.ts'
import type { Verb, VerbEntry } from './verb.ts'

const VERB: Verb = {
  options: [
    { name: 'image', short: 'i', kind: 'texts', about: 'a picture' },
    { name: 'stop', kind: 'text', about: 'a text' },
    { name: 'top-p', kind: 'number', about: 'a number' },
    { name: 'auto-orient', kind: 'flag', about: 'a flag' },
    { name: 'layout', kind: 'text', choices: ['original', 'hf'], about: 'a choice' },
  ],
  examples: ['ask hi'],
  run: async () => {},
}

const ENTRY: VerbEntry = { name: 'ask', places: '[prompt]', about: 'asks', load: async () => VERB }

async function parse(...argv: string[]): Promise<Arguments> {
  const parsed = await parseArguments(['ask', ...argv], [ENTRY], '1.2.3')
  assert.ok(parsed)
  return parsed.args
}

test('any text comes through as it was given, as value and as prompt', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string({ unit: 'binary' }), async (prompt, value) => {
      const args = await parse(`--stop=${value}`, '--image', `x${value}`, '--', prompt)
      assert.deepEqual(args.positionals, [prompt])
      assert.equal(args.text('stop'), value)
      assert.deepEqual(args.texts('image'), [`x${value}`])
    }),
  )
  for (const tricky of ['007', '', '1e3', 'true', 'false', "'", '=', '-5', '- 5']) {
    assert.equal((await parse('--stop', tricky)).text('stop'), tricky)
    assert.deepEqual((await parse('--auto-orient', tricky)).positionals, [tricky])
  }
})

test('options come in every spelling and order', async () => {
  const args = await parse(
    '-i',
    'a.png',
    'hi',
    '--top-p=0.5',
    '--auto-orient',
    '--image=b=c.png',
    '--json',
  )
  assert.deepEqual(args.texts('image'), ['a.png', 'b=c.png'])
  assert.deepEqual(args.positionals, ['hi'])
  assert.equal(args.number('top-p'), 0.5)
  assert.ok(args.flag('auto-orient') && args.flag('json') && !args.has('stop'))
})

test('each flag of each verb is set where it is given, and no other is', async () => {
  for (const entry of VERBS) {
    const { options } = await entry.load()
    const flags = options.filter(({ kind, instead }) => kind === 'flag' && instead === undefined)
    const places = [...entry.places.matchAll(/<[^>]+>/g)].map(() => 'x')
    for (const { name } of flags) {
      const parsed = await parseArguments([entry.name, `--${name}`, ...places], VERBS, '1.2.3')
      const set = flags.map((flag) => flag.name).filter((flag) => parsed?.args.flag(flag))
      assert.deepEqual([...new Set(set)], [name], entry.name)
      assert.deepEqual(parsed?.args.positionals, places)
    }
  }
})

test('what is wrong is refused with what to do', async () => {
  const cases: readonly (readonly [RegExp, ...string[]])[] = [
    [/unknown option --stopp; did you mean --stop\?/, '--stopp', 'x'],
    [/--stop <value>: the value is missing/, '--stop'],
    [/--image=VALUE/, '--image', '--json'],
    [/--stop came 2 times/, '--stop', 'a', '--stop', 'b'],
    [/--top-p should be a number; "much" came/, '--top-p', 'much'],
    [/--layout should be original, hf; "next" came/, '--layout', 'next'],
    [/--json takes no value/, '--json=yes'],
    [/"there" is one argument too many/, 'hi', 'there'],
  ]
  for (const [message, ...argv] of cases) {
    await assert.rejects(
      parse(...argv),
      (error) => error instanceof UsageError && message.test(error.message),
      argv.join(' '),
    )
  }
})

test('an unknown verb says which there are; an option before the verb is refused', async () => {
  await assert.rejects(
    parseArguments(['train'], [ENTRY], ''),
    /unknown verb "train"; there are ask/,
  )
  await assert.rejects(parseArguments(['--json', 'ask'], [ENTRY], ''), /the verb comes first/)
})

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import fc from 'fast-check'
import { loadXGrammar, type XGrammarModule } from './load-xgrammar-node.ts'
import {
  ANY_INTEGER,
  ANY_NUMBER,
  numberRules,
  type Bound,
  type NumberRange,
} from './number-range.ts'
import { rounds } from '../../../test/thorough.ts'

let xgrammar: XGrammarModule
before(() => {
  xgrammar = loadXGrammar(() => {})
})

/** Whether XGrammar, given the rules, takes each text. */
async function accepts(range: NumberRange, texts: readonly string[]): Promise<boolean[] | null> {
  const rules = numberRules('n', range)
  if (rules === null) return null
  return acceptsBy(rules.join('\n'), texts)
}

async function acceptsBy(rules: string, texts: readonly string[]): Promise<boolean[]> {
  const grammar = await xgrammar.Grammar.fromEBNF(rules, 'n')
  const accepted: boolean[] = []
  for (const text of texts) {
    accepted.push(await xgrammar.Testings.isGrammarAcceptString(grammar, text))
  }
  grammar.dispose()
  return accepted
}

const closed = (value: number): Bound => ({ value, isOpen: false })
const open = (value: number): Bound => ({ value, isOpen: true })
const decimals = (least: Bound | null, most: Bound | null): NumberRange => {
  return { isInteger: false, least, most }
}
const integers = (least: Bound | null, most: Bound | null): NumberRange => {
  return { isInteger: true, least, most }
}

test('numbers between bounds are written, and none beyond them', async () => {
  const cases: readonly [NumberRange, yes: string[], no: string[]][] = [
    [
      decimals(closed(0), closed(1)),
      ['0', '1', '0.5', '1.0', '0.000', '0.999999'],
      ['1.25', '1.000001', '-0', '-0.1', '2', '01', '.5', '1.', '0x5', '1e0', '0.0000001'],
    ],
    [decimals(open(0), open(1)), ['0.5', '0.000001', '0.999999'], ['0', '1', '0.0', '1.0', '1.5']],
    [
      decimals(closed(0.5), closed(0.75)),
      ['0.5', '0.50', '0.6', '0.75', '0.7500'],
      ['0=5', '0x75', '005', '0.4', '0.49', '0.76', '0.750001', '0', '1'],
    ],
    [
      decimals(closed(-2.5), closed(-1.5)),
      ['-1.5', '-2', '-2.5', '-2.49'],
      ['-125', '-1 5', '-1', '-2.51', '2', '-1.4'],
    ],
    [decimals(closed(9.5), null), ['9.5', '10', '12345.25'], ['9:5', '9', '9.4', '-10', '09.5']],
    [decimals(null, open(0)), ['-1', '-0.1', '-999'], ['0', '-0', '-0.0', '1']],
    [decimals(closed(1e-7), closed(1)), ['0.0000001', '1', '0.5'], ['0', '0.00000001']],
    [integers(closed(-5), null), ['-5', '-1', '0', '7', '123456'], ['-', '-6', '-10', '-0', '1.0']],
    [integers(null, closed(-10)), ['-10', '-11', '-123'], ['-9', '0', '10', '-1']],
    [integers(closed(0.5), closed(2.5)), ['1', '2'], ['0', '3', '0.5']],
    [integers(open(1), open(3)), ['2'], ['1', '3']],
    [
      integers(closed(98), closed(1002)),
      ['98', '99', '100', '999', '1000', '1002'],
      ['97', '1003', '9'],
    ],
    [decimals(closed(0), closed(1e300)), ['0', '999999999999999'], ['-1']],
  ]
  for (const [range, yes, no] of cases) {
    const accepted = await accepts(range, [...yes, ...no])
    const expected = [...yes.map(() => true), ...no.map(() => false)]
    const told = JSON.stringify({ range, texts: [...yes, ...no] })
    assert.deepEqual(accepted, expected, told)
  }
})

test('where nothing lies between the bounds there are no rules', () => {
  const empty = [
    decimals(closed(1), closed(0)),
    decimals(open(1), closed(1)),
    integers(closed(0.2), closed(0.8)),
    integers(open(1), open(2)),
    decimals(closed(1e16), null),
    decimals(null, closed(-1e16)),
  ]
  for (const range of empty) assert.equal(numberRules('n', range), null, JSON.stringify(range))
})

test('any two bounds and any number: it is written where it lies between them', async () => {
  const number = fc.oneof(
    fc.integer({ min: -120, max: 120 }),
    fc.integer({ min: -12_000, max: 12_000 }).map((n) => n / 100),
    fc.integer({ min: -9, max: 9 }).map((n) => n / 1000),
  )
  const bound = fc.option(fc.record({ value: number, isOpen: fc.boolean() }), { nil: null })
  const property = fc.asyncProperty(
    fc.record({ isInteger: fc.boolean(), least: bound, most: bound }),
    fc.array(number, { minLength: 12, maxLength: 12 }),
    async (range, numbers) => {
      const { isInteger, least, most } = range
      const near = [least, most].flatMap((one) => (one ? [one.value, one.value + 0.001] : []))
      const values = [...numbers, ...near.map((value) => Math.round(value * 1000) / 1000)]
      const isWithin = (value: number) =>
        (!isInteger || Number.isInteger(value)) &&
        (!least || (least.isOpen ? value > least.value : value >= least.value)) &&
        (!most || (most.isOpen ? value < most.value : value <= most.value))
      const expected = values.map(isWithin)
      const accepted = await accepts(
        range,
        values.map((value) => String(value + 0)),
      )
      if (accepted === null) assert.ok(!expected.includes(true))
      else assert.deepEqual(accepted, expected)
    },
  )
  await fc.assert(property, { numRuns: rounds(40, 120) })
})

test('a number without bounds is one that every reader of JSON takes for finite', async () => {
  const yes = ['0', '-0', '12.5', '-1e9', '1E-12', '999999999999999.25e99']
  const no = ['01', '1.', '.5', '+1', '1e100', '1936.01E7681', '1234567890123456', '0x1', '']
  const accepted = await acceptsBy(`n ::= ${ANY_NUMBER}`, [...yes, ...no])
  assert.deepEqual(accepted, [...yes.map(() => true), ...no.map(() => false)])
  for (const text of yes) assert.ok(Number.isFinite(JSON.parse(text)))
})

test('a whole number without bounds is one that every reader of JSON keeps', async () => {
  const yes = ['0', '7', '-7', '999999999999999', '-100000000000000']
  const no = ['-0', '007', '1.0', '1e3', '1000000000000000', '-', '']
  const accepted = await acceptsBy(`n ::= ${ANY_INTEGER}`, [...yes, ...no])
  assert.deepEqual(accepted, [...yes.map(() => true), ...no.map(() => false)])
})

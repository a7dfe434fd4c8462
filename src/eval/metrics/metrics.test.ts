import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Rng } from '../../core/rng.ts'
import { anls, levenshtein } from './anls.ts'
import { exactMatch } from './exact-match.ts'
import { bootstrapInterval, mcnemar, valueOf } from './intervals.ts'
import { mmmuChoice, mmmuOpen, mmmuOpenAnswers } from './mmmu-answer.ts'
import { optionLetter, scienceQaLetter } from './option-letter.ts'
import { relaxedAccuracy } from './relaxed-accuracy.ts'
import { vqaAccuracy } from './vqa-accuracy.ts'
import { mmeAnswer, popeAnswer } from './yes-no.ts'

type Oracle = {
  distances: [string, string, number][]
  mcnemar: [number, number, number][]
  bootstrap: { scores: number[]; low: number; high: number }
}
const oracle = JSON.parse(readFileSync('fixtures/eval/oracle.json', 'utf8')) as Oracle

test('soft accuracy is 0, 0.3, 0.6, 0.9 and 1 for 0, 1, 2, 3 and more of ten', () => {
  for (let count = 0; count <= 10; count++) {
    const humans = Array.from({ length: 10 }, (_, i) => (i < count ? 'cat' : `dog ${i}`))
    const expected = [0, 0.3, 0.6, 0.9][count] ?? 1
    assert.ok(Math.abs(vqaAccuracy('The cat.', humans) - expected) < 1e-12)
  }
})

describe('edit distance', () => {
  test('is that of the editdistance package', () => {
    for (const [a, b, distance] of oracle.distances)
      assert.equal(levenshtein([...a], [...b]), distance)
  })

  test('is symmetric, at most the longer length, and zero only for equal texts', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const distance = levenshtein(a, b)
        assert.equal(distance, levenshtein(b, a))
        assert.ok(distance <= Math.max(a.length, b.length))
        assert.equal(distance === 0, a === b)
      }),
    )
  })

  test('similarity below one half counts as nothing, and the best accepted answer counts', () => {
    assert.equal(anls('abcd', ['wxyz', 'abcx']), 0.75)
    assert.equal(anls('abcd', ['abxyz']), 0)
    assert.equal(anls('', ['']), 1)
    assert.equal(anls('x', []), 0)
  })

  test("DocVQA's form collapses spaces and divides by the lengths before", () => {
    assert.equal(anls('New  York', ['new york'], 'docvqa'), 1)
    assert.equal(anls('ab     cd', ['ab ce'], 'docvqa'), 1 - 1 / 9)
  })
})

test('relaxed accuracy allows numbers five percent, and texts nothing but case', () => {
  const cases: [string, string, number][] = [
    ['14', '14', 1],
    ['14.7', '14', 1],
    ['14.71', '14', 0],
    ['0.5', '50%', 1],
    ['50%', '50', 0],
    ['0', '0', 1],
    ['0.0', '0', 0],
    ['-95', '-100', 1],
    ['Blue', 'blue', 1],
    ['blue.', 'blue', 0],
    ['1e2', '100', 1],
    ['nan', 'nan', 0],
  ]
  for (const [answer, target, expected] of cases) {
    assert.equal(relaxedAccuracy(answer, target), expected, `${answer} for ${target}`)
  }
})

test('exact match passes over case, marks and spaces at the ends', () => {
  assert.equal(exactMatch(' B. ', 'b'), 1)
  assert.equal(exactMatch('B or C', 'B'), 0)
})

test("POPE's and MME's readings of yes and no keep their traps", () => {
  const texts = [
    'Yes',
    'No',
    'no, it is',
    'There is not a cat.',
    'NO',
    'Nope',
    'yes.no',
    'Not sure',
  ]
  assert.deepEqual(texts.map(popeAnswer), ['yes', 'no', 'no', 'no', 'yes', 'yes', 'yes', 'yes'])
  const mme = ['Yes', 'no.', 'Yes, it is', 'nothing', 'It is', 'I know', '', ' NO']
  assert.deepEqual(
    mme.map((text) => mmeAnswer(text)),
    ['yes', 'no', 'yes', 'no', 'other', 'other', 'other', 'no'],
  )
  assert.deepEqual([mmeAnswer('1. No'), mmeAnswer('1. No', 'mme')], ['no', 'other'])
  assert.deepEqual([mmeAnswer('   no'), mmeAnswer('   no', 'mme')], ['no', 'other'])
})

describe('option letters', () => {
  test('ScienceQA reads a letter, a prefix, or the only phrase', () => {
    const texts = [
      'A',
      'B. beta',
      'B.beta',
      'The answer is C.',
      'The answer is A. The answer is B.',
      'F',
      'a',
    ]
    assert.deepEqual(texts.map(scienceQaLetter), [
      'A',
      'B',
      'FAILED',
      'C',
      'FAILED',
      'FAILED',
      'FAILED',
    ])
  })

  test('letters are found in every common form, and an article is no letter', () => {
    const options = { A: 'red', B: 'green', C: 'a cat' }
    const read: [string, string | null][] = [
      ['B', 'B'],
      ['(C)', 'C'],
      ['B. green', 'B'],
      ['A: red', 'A'],
      ['B) it is green', 'B'],
      ['green', 'B'],
      ['A cat', 'C'],
      ['A dog', null],
      ['D', null],
      ['Because', null],
      ['', null],
    ]
    for (const [text, letter] of read) assert.equal(optionLetter(text, options), letter, text)
  })
})

describe("MMMU's parser", () => {
  const options = ['$6', '$7', 'the market price of it', 'none of these']
  const choice = (text: string) => mmmuChoice(text, options, new Rng(1))

  test('takes brackets before letters before option texts, and the last of several', () => {
    assert.deepEqual(choice('(B)'), { letter: 'B', isGuess: false })
    assert.deepEqual(choice('A is wrong, so (B) or rather (C).'), { letter: 'C', isGuess: false })
    assert.deepEqual(choice('Not A but D'), { letter: 'D', isGuess: false })
    assert.deepEqual(choice('C.'), { letter: 'C', isGuess: false })
    assert.deepEqual(choice('I would say it is the market price of it'), {
      letter: 'C',
      isGuess: false,
    })
  })

  test('draws where nothing is named, evenly and by the seed', () => {
    const rng = new Rng(3)
    const drawn = Array.from({ length: 400 }, () => mmmuChoice('unclear', options, rng))
    assert.ok(drawn.every(({ isGuess }) => isGuess))
    for (const letter of 'ABCD') {
      const count = drawn.filter((one) => one.letter === letter).length
      assert.ok(count > 70 && count < 130, `${letter} ${count}`)
    }
  })

  test('reads numbers and texts out of open answers', () => {
    assert.deepEqual(mmmuOpenAnswers('The answer is 1,234.5.'), [1234.5, 1234, 234.5])
    assert.equal(mmmuOpen('So the result is 24.', ['24']), 1)
    assert.equal(mmmuOpen('x = 3.14159', ['3.14']), 1)
    assert.equal(mmmuOpen('It is a parallel circuit', ['parallel']), 1)
    assert.equal(mmmuOpen('banana', ['a']), 0)
    assert.equal(mmmuOpen('it is f', ['f']), 1)
    assert.equal(mmmuOpen('25', ['24', '25']), 1)
  })
})

describe('intervals', () => {
  const mean = (scores: readonly number[]) => ({
    rows: scores.map((score) => [score, 1]),
    of: ([sum = 0, count = 0]: readonly number[]) => sum / count,
  })

  test('are near those of scipy', () => {
    const { scores, low, high } = oracle.bootstrap
    const interval = bootstrapInterval(mean(scores), new Rng(0))!
    // Two bootstraps of a thousand draws differ by about a tenth of the interval.
    const tolerance = (high - low) * 0.15
    assert.ok(
      Math.abs(interval.low - low) < tolerance && Math.abs(interval.high - high) < tolerance,
    )
  })

  test('hold the value, repeat with the seed, and are none for a single unit', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1), { minLength: 30, maxLength: 60 }), (scores) => {
        const statistic = mean(scores)
        const interval = bootstrapInterval(statistic, new Rng(7))!
        assert.deepEqual(interval, bootstrapInterval(statistic, new Rng(7)))
        assert.ok(interval.low <= valueOf(statistic) && valueOf(statistic) <= interval.high)
      }),
      { numRuns: 10 },
    )
    assert.equal(bootstrapInterval(mean([1]), new Rng(7)), null)
    assert.equal(bootstrapInterval(mean([]), new Rng(7)), null)
  })

  test("McNemar's test is scipy's exact binomial test", () => {
    for (const [a, b, p] of oracle.mcnemar)
      assert.ok(Math.abs(mcnemar(a, b) - p) < 1e-9, `${a} ${b}`)
  })
})

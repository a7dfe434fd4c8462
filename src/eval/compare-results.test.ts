import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { compareResults, parseResult, type ComparedResult } from './compare-results.ts'
import type { EvalFile } from './eval-file.ts'
import { pairedBootstrap } from './metrics/intervals.ts'
import { score } from './score.ts'

function result(
  scores: readonly number[],
  given: readonly string[],
  recipe: object = {},
  margin = 1,
): ComparedResult {
  return {
    benchmark: 'pope',
    recipe: { hash: String(scores), ...recipe },
    metrics: [],
    outcomes: scores.map((value, i) => ({
      id: String(i),
      score: value,
      given: given[i]!,
      read: '',
      expected: 'yes',
      margin,
    })),
  }
}

test('right and wrong are tested by McNemar, changes listed, near-ties told apart', () => {
  const a = result([1, 1, 0, 1], ['yes', 'yes', 'no', 'yes'], {
    model: { precision: 'f32', weights: 'w' },
  })
  const b = result(
    [1, 0, 0, 1],
    ['yes', 'no', 'nope', 'yes'],
    { model: { precision: 'q4', weights: 'w' } },
    0.01,
  )
  const comparison = compareResults(a, b)
  const [mean] = comparison.metrics
  assert.deepEqual([mean!.test, mean!.pValue, mean!.values], ['mcnemar', 1, [75, 50]])
  // A file of before units were kept: questions are compared, and that is said.
  assert.equal(mean!.metric, 'mean score of questions')
  assert.match(comparison.fallback!, /older version/)
  assert.deepEqual(
    comparison.changed.map(({ id, given, isNearTie }) => [id, given, isNearTie]),
    [['1', ['yes', 'no'], true]],
  )
  assert.deepEqual([comparison.otherTexts, comparison.nearTies], [2, 2])
  assert.deepEqual(comparison.recipeDiffers, ['model.precision'])
})

test('scores in between are tested by a paired bootstrap', () => {
  const scores = Array.from({ length: 60 }, (_, i) => (i % 10) / 10)
  const texts = scores.map(String)
  const better = scores.map((value) => Math.min(1, value + 0.1))
  const [mean] = compareResults(result(scores, texts), result(better, texts)).metrics
  assert.equal(mean!.test, 'bootstrap')
  assert.ok(mean!.pValue < 0.01)
  assert.ok(mean!.difference.low! > 8 && mean!.difference.high! <= 10 + 1e-9)
  assert.equal(compareResults(result(scores, texts), result(scores, texts)).metrics[0]!.pValue, 1)
})

test('the bootstrap is symmetric: runs the other way round give the same chance', () => {
  const pairs = Array.from({ length: 40 }, (_, i): [number, number] => [(i * 7) % 5, (i * 3) % 5])
  const there = pairedBootstrap(pairs, new Rng(1))
  const back = pairedBootstrap(
    pairs.map(([a, b]) => [b, a]),
    new Rng(1),
  )
  assert.equal(there.pValue, back.pValue)
  assert.ok(Math.abs(there.mean + back.mean) < 1e-12)
})

test('a single question has no interval, and no number of resamples makes a chance of nothing', () => {
  // They were [difference, difference], and p = 0.
  const [one] = compareResults(result([0.2], ['x']), result([0.9], ['y'])).metrics
  assert.deepEqual([one!.difference.low, one!.difference.high, one!.pValue], [null, null, 1])
  const always = Array.from({ length: 30 }, (): [number, number] => [0.1, 0.9])
  const { pValue } = pairedBootstrap(always, new Rng(0))
  assert.ok(pValue > 0 && pValue < 0.01, String(pValue))
  // Two questions gave 0.001, where a sign test gives a half.
  assert.equal(pairedBootstrap(always.slice(0, 2), new Rng(0)).pValue, 0.5)
  const equal = Array.from({ length: 30 }, (): [number, number] => [0.4, 0.4])
  assert.equal(pairedBootstrap(equal, new Rng(0)).pValue, 1)
})

const jsonl = (name: string, rows: readonly object[]): EvalFile => ({
  name,
  text: rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
})
const isOdd = (value: number) => value % 2 === 1

async function scored(name: string, request: Parameters<typeof score>[1]): Promise<ComparedResult> {
  const { benchmark, outcomes, units, metrics, recipe } = await score(name, request)
  return { benchmark, outcomes, units, metrics, recipe }
}

describe('the benchmark says what is compared', () => {
  test('MMBench: rotations of a question are one unit, and the number is the circular one', async () => {
    // Each of eight questions is asked four times; the second run has one rotation of six wrong.
    const table = Array.from({ length: 32 }, (_, i) => [
      (i % 8) + 1 + 1_000_000 * Math.floor(i / 8),
      'q',
      'a',
      'b',
      'c',
      'd',
      'A',
    ])
    const of = (isWrong: (row: number) => boolean) =>
      scored('mmbench', {
        answers: [
          {
            name: 'a.tsv',
            text: [
              'index\tquestion\tA\tB\tC\tD\tanswer\tprediction',
              ...table.map((row, i) => [...row, isWrong(i) ? 'B' : 'A'].join('\t')),
            ].join('\n'),
          },
        ],
      })
    const [right, worse] = [await of(() => false), await of((i) => i < 6)]
    const { metrics, fallback, questions, changed } = compareResults(right, worse)
    assert.deepEqual([fallback, questions, changed.length], [null, 32, 6])
    const [circular] = metrics
    assert.deepEqual(
      [circular!.metric, circular!.units, circular!.values, circular!.test],
      ['circular', 8, [100, 25], 'mcnemar'],
    )
    assert.equal(circular!.pValue.toFixed(9), (2 / 2 ** 6).toFixed(9))
    // Four rotations of one question that change are one change: no test of rows knows that.
    const four = compareResults(right, await of((i) => i % 8 === 0))
    assert.deepEqual([four.changed.length, four.metrics[0]!.pValue], [4, 1])
    // The order of rows is not of the questions.
    const turned = { ...worse, outcomes: [...worse.outcomes].reverse() }
    assert.equal(compareResults(right, turned).metrics[0]!.pValue, circular!.pValue)
  })

  test('MME: pictures are drawn, and the numbers are the points of perception and cognition', async () => {
    const run = (says: (picture: number, k: number) => string) =>
      scored('mme', {
        answers: ['existence', 'code_reasoning'].map((task) => ({
          name: `${task}.txt`,
          text: Array.from({ length: 40 }, (_, i) => {
            const [picture, k] = [Math.floor(i / 2), i % 2]
            const truth = k === 0 ? 'Yes' : 'No'
            return `${picture}.jpg\tq${k}\t${truth}\t${says(picture, k)}\n`
          }).join(''),
        })),
      })
    const always = await run(() => 'Yes')
    const good = await run((picture, k) => (k === 0 || isOdd(picture) ? 'Yes' : 'No'))
    const { metrics } = compareResults(always, good)
    assert.deepEqual(
      metrics.map(({ metric, units, values, test: by }) => [metric, units, values, by]),
      [
        ['perception', 20, [50, 125], 'bootstrap'],
        ['cognition', 20, [50, 125], 'bootstrap'],
      ],
    )
    assert.ok(metrics.every(({ difference }) => difference.low! > 30 && difference.high! < 125))
    assert.ok(metrics.every(({ pValue }) => pValue < 0.01))
  })

  test('POPE: the splits of a picture are one unit, and so its interval is', async () => {
    // Three splits with the same questions about 40 pictures; their answers are the same.
    const splits = ['random', 'popular', 'adversarial']
    const asked = splits.flatMap((category, s) =>
      Array.from({ length: 80 }, (_, i) => ({
        question_id: 80 * s + i,
        image: `${Math.floor(i / 2)}.jpg`,
        text: `Is there a ${isOdd(i) ? 'cat' : 'dog'}?`,
        category,
      })),
    )
    const label = (i: number) => (isOdd(i) ? 'yes' : 'no')
    const run = (names: readonly string[], isRight: (picture: number) => boolean) => {
      const own = asked.filter(({ category }) => names.includes(category))
      const says = (id: number) => (isRight(Math.floor((id % 80) / 2)) === isOdd(id) ? 'Yes' : 'No')
      return score('pope', {
        questions: [jsonl('llava_pope_test.jsonl', own)],
        labels: names.map((name) =>
          jsonl(
            `coco_pope_${name}.json`,
            own
              .filter(({ category }) => category === name)
              .map(({ text, image }, i) => ({ question_id: i + 1, text, image, label: label(i) })),
          ),
        ),
        answers: [
          jsonl(
            'answers.jsonl',
            own.map(({ question_id: id }) => ({ question_id: id, text: says(id) })),
          ),
        ],
      })
    }
    const whole = await run(splits, (picture) => picture % 4 > 0)
    const one = await run(['random'], (picture) => picture % 4 > 0)
    assert.deepEqual(whole.metrics[0]!.value, one.metrics[0]!.value)
    assert.deepEqual(whole.metrics[0]!.interval95, one.metrics[0]!.interval95)
    const better = await run(splits, (picture) => picture % 4 > 0 || picture === 0)
    const [f1] = compareResults(whole, better).metrics
    assert.deepEqual([f1!.metric, f1!.units, f1!.test], ['F1 mean', 40, 'bootstrap'])
    // Six questions of one picture changed: that is one.
    assert.equal(f1!.pValue, 1)
  })

  test('POPE: a model that is never right with yes has an F1 of 0, and compares', async () => {
    const of = (says: readonly string[]) => {
      const row = (text: string, i: number) => {
        const held = { question_id: `${i}`, category: 'random', answer: isOdd(i) ? 'yes' : 'no' }
        return { doc_id: i, filtered_resps: [text], doc: { ...held, image_source: `${i}` } }
      }
      return score('pope', { answers: [jsonl('samples.jsonl', says.map(row))] })
    }
    const never = await of(['no', 'no', 'no', 'no'])
    const wrong = await of(['yes', 'no', 'yes', 'no'])
    for (const report of [never, wrong]) {
      const values = Object.fromEntries(report.metrics.map(({ name, value }) => [name, value]))
      assert.deepEqual(
        [values['F1 mean'], values['F1 random'], values['precision random']],
        [0, 0, 0],
      )
      // The official script divides by zero before it prints a number.
      assert.equal(report.printed, null)
    }
    const { metrics } = compareResults(never, await of(['no', 'yes', 'no', 'yes']))
    assert.deepEqual([metrics[0]!.metric, metrics[0]!.difference.mean], ['F1 mean', 100])
  })

  test('Video-ChatGPT: three dimensions of an answer are one unit', async () => {
    const reviews = (dimensions: readonly string[]) =>
      jsonl(
        'reviews.jsonl',
        dimensions.flatMap((part) =>
          Array.from({ length: 30 }, (_, i) => ({
            question_id: `generic/${i}`,
            part,
            score: i % 6,
            content: '',
          })),
        ),
      )
    const of = async (dimensions: readonly string[]) => {
      const { metrics } = await score('video-chatgpt', { answers: [reviews(dimensions)] })
      const { low, high } = metrics[0]!.interval95!
      return [low.toFixed(9), high.toFixed(9)]
    }
    assert.deepEqual(await of(['correctness', 'detail', 'context']), await of(['correctness']))
  })
})

test('other benchmarks, other questions and other files are refused', () => {
  const a = result([1], ['x'])
  assert.throws(() => compareResults(a, { ...a, benchmark: 'mme' }), { code: 'INPUT_RUNS_DIFFER' })
  assert.throws(() => compareResults(a, result([1, 1], ['x', 'y'])), { code: 'INPUT_RUNS_DIFFER' })
  assert.throws(() => parseResult({ benchmark: 'pope' }, 'a.json'), { code: 'INPUT_RESULT_BROKEN' })
})

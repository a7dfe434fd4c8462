/** Published rows stand beside the set that they are of, and beside no other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findBenchmark, score, setOf } from '../score.ts'
import { jsonLines } from '../../../test/eval-files.ts'

describe('LLaVA-Bench (Wilder)', () => {
  const reviews = jsonLines('reviews.jsonl', [{ question_id: 'a', tuple: [10, 6] }])
  const small = jsonLines('Small.jsonl', [{ question_id: 'a', Question: 'q', Answer: 'r' }])
  const built = jsonLines('renamed.jsonl', [
    { question_id: 'a', image: 'images/0123456789abcdef.jpg', Question: 'q', Answer: 'r' },
  ])
  const of = (askedFrom: readonly (typeof small)[]) =>
    score('llava-wilder', { answers: [reviews], askedFrom })

  test('what was built of own requests has neither its title nor its rows', async () => {
    const own = await of([built])
    assert.match(own.title, /Own questions/)
    assert.deepEqual(own.metrics[0]!.published, [])
    const released = await of([small])
    assert.equal(released.title, 'LLaVA-Bench (Wilder, small)')
    assert.ok(released.metrics[0]!.published.some(({ model }) => model === 'gpt-4v'))
  })

  test('the medium set has its own', () => {
    const medium = { ...small, name: 'Medium/train.jsonl' }
    const { title, published } = setOf(findBenchmark('llava-wilder'), [medium])
    assert.match(title, /medium/)
    const values = published.map(({ metric, model, value }) => [metric, model, value])
    assert.deepEqual(values[0], ['all', 'llava-next-110b', 72.5])
    // Named by its own folder or file, it had the title and rows of the small one.
    const titleAt = (path: string) =>
      setOf(findBenchmark('llava-wilder'), [{ ...small, name: 'train.jsonl', path }]).title
    assert.match(titleAt('/data/Wilder/Medium/train.jsonl'), /medium/)
    assert.match(titleAt('/data/Wilder-medium.jsonl'), /medium/)
    assert.match(titleAt('/data/llava_wilder_medium/train.jsonl'), /medium/)
    assert.match(titleAt('/data/Medium/medium-00000-of-00002.parquet'), /medium/)
    assert.match(titleAt('/data/medium-models/Small/train.jsonl'), /small/)
    // Folders of the machine that hold the letters gave the set another title.
    for (const path of [
      'medium-machine/w/test',
      'medium/w/test',
      'medium-machine/test',
      'mediums/q',
    ])
      assert.match(titleAt(`/tmp/${path}.jsonl`), /small/, path)
  })

  test('rows without ids are counted through all shards of the set', () => {
    const row = { Question: 'q', Answer: 'r', image: 'a.jpg' }
    const questions = ['0.jsonl', '1.jsonl'].map((name) => jsonLines(name, [row, row]))
    const { ask, judge } = findBenchmark('llava-wilder')
    const ids = ask!.questions(questions).map(({ id }) => String(id))
    assert.deepEqual(ids, ['0', '1', '2', '3'])
    const answers = ids.map((id) => ({ id, text: 't', row: {} }))
    const tasks = judge!.tasks({ answers, questions, labels: [] })
    assert.deepEqual(
      tasks.map(({ id }) => id),
      ids,
    )
  })

  test('a question without a reference is refused before anything is answered', () => {
    const { judge } = findBenchmark('llava-wilder')
    const questions = [jsonLines('bench.jsonl', [{ question_id: 'a', Question: 'q', Answer: '' }])]
    assert.throws(() => judge!.tasks({ answers: [], questions, labels: [] }), {
      code: 'INPUT_REFERENCES_MISSING',
      message: /a has none; write it into review\.jsonl/,
    })
  })
})

test('MME: some of its tasks are not the half that is published', async () => {
  const lines = '1.jpg\tq\tYes\tYes\n1.jpg\tp\tNo\tNo\n'
  const of = (tasks: readonly string[]) =>
    score('mme', { answers: tasks.map((task) => ({ name: `${task}.txt`, text: lines })) })
  const cognition = [
    'commonsense_reasoning',
    'numerical_calculation',
    'text_translation',
    'code_reasoning',
  ]
  const { metrics } = await of(['existence', ...cognition])
  assert.deepEqual(
    metrics.slice(0, 2).map(({ name, part, published }) => [name, part, published.length > 0]),
    [
      ['perception', '1 of 10 tasks', false],
      ['cognition', undefined, true],
    ],
  )
})

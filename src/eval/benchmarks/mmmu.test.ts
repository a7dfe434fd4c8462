/** MMMU against its own script: readings, draws and layouts. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { PythonRandom } from '../python-random.ts'
import { score } from '../score.ts'
import {
  jsonFile as json,
  jsonLines as lines,
  metricValues as values,
} from '../../../test/eval-files.ts'

type Recorded = {
  folders: Record<string, { id: string; response: string; answer: string | string[] }[]>
  letters: Record<string, string>
  right: Record<string, boolean>
  choices: Record<string, number[]>
}

const recorded = JSON.parse(readFileSync('fixtures/eval/mmmu.json', 'utf8')) as Recorded

test('whole numbers are drawn as random.choice draws them', () => {
  const bounds = [1, 2, 3, 4, 5, 9, 26, 1000]
  for (const [seed, expected] of Object.entries(recorded.choices)) {
    const random = new PythonRandom(Number(seed))
    const drawn = expected.map((_, i) => random.integer(bounds[i % bounds.length]!))
    assert.deepEqual(drawn, expected, `seed ${seed}`)
  }
})

describe('the folder of SUBJECT/output.json', () => {
  const answers = Object.entries(recorded.folders).map(([subject, rows]) =>
    json(`${subject}/output.json`, rows),
  )
  const total = json('total_val_output.json', { validation_Art_1: 'another run' })

  test('is read as the official script reads it, drawn options included', async () => {
    const { outcomes, counts } = await score('mmmu', { answers: [...answers, total] })
    assert.deepEqual(
      Object.fromEntries(outcomes.map((one) => [one.id, one.score === 1])),
      recorded.right,
    )
    const chosen = outcomes.filter(({ id }) => id in recorded.letters)
    assert.deepEqual(Object.fromEntries(chosen.map(({ id, read }) => [id, read])), recorded.letters)
    assert.ok(counts.unreadable > 5, 'some answers name nothing, so that drawing is tested')
  })

  test('scores by field and subject, and prints what the script prints', async () => {
    const { metrics, printed } = await score('mmmu', { answers })
    const rate = (subjects: string[]) => {
      const own = subjects.flatMap((subject) => recorded.folders[subject]!)
      return own.filter(({ id }) => recorded.right[id]).length / own.length
    }
    const near = (name: string, expected: number) => {
      const value = metrics.find((one) => one.name === name)!.value!
      assert.ok(Math.abs(value - 100 * expected) < 1e-9, name)
    }
    near('accuracy', rate(['Art', 'Art_Theory', 'Math']))
    near('Art and Design', rate(['Art', 'Art_Theory']))
    near('Math', rate(['Math']))
    assert.ok(!metrics.some(({ name }) => name === 'Science'), 'a field of one subject is that one')
    assert.match(printed!, /^\{'Overall-Art and Design': \{'num': 78, 'acc': 0\.\d+\}, 'Art': \{/)
    assert.match(
      printed!,
      /'Overall-Business': \{'num': 0, 'acc': 0\}, .*'Overall': \{'num': 117, /,
    )
  })
})

test('of options nobody knows, letters are read to I and nothing is drawn', async () => {
  const truth = (ground_truth: string) => ({ question_type: 'multiple-choice', ground_truth })
  const labels = [
    json('answer_dict_val.json', {
      validation_Art_1: truth('G'),
      validation_Art_2: truth('B'),
      validation_Art_3: truth('A'),
    }),
  ]
  const texts = { validation_Art_1: 'G', validation_Art_2: '(B)', validation_Art_3: 'not sure' }
  for (const answers of [
    json('total_val_output.json', texts),
    lines(
      'a.jsonl',
      Object.entries(texts).map(([question_id, text]) => ({ question_id, text })),
    ),
  ]) {
    const reports = await Promise.all(
      [1, 2, 3, 4].map((seed) => score('mmmu', { answers: [answers], labels, seed })),
    )
    for (const report of reports) {
      assert.deepEqual(
        report.outcomes.map(({ read, score: own }) => [read, own]),
        [
          ['G', 1],
          ['B', 1],
          ['', 0],
        ],
      )
      assert.equal(report.counts.unreadable, 1)
      assert.equal(values(report)['accuracy']?.toFixed(3), '66.667')
    }
  }
})

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Arguments } from './arguments.ts'
import { findBenchmark } from '../eval/index.ts'
import { benchmarkNames, FILE_OPTIONS, labelFiles, planOf } from './eval-files.ts'
import { UsageError } from './usage-error.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-mini-'))
after(() => rmSync(folder, { recursive: true }))

// As `llava data build mini --out FOLDER/mini` leaves it.
const home = join(folder, 'mini')
mkdirSync(join(home, 'test'), { recursive: true })
mkdirSync(join(home, 'images'))
writeFileSync(join(home, 'images/a.png'), '')
for (const name of ['stage0.json', 'statistics.json'])
  writeFileSync(join(home, name), JSON.stringify({ seed: 0 }, null, 2))
for (const task of ['color', 'shape']) {
  const row = { id: task, image: 'images/a.png', task, question: 'Which?', answer: 'Red' }
  writeFileSync(join(home, `test/${task}.jsonl`), `${JSON.stringify(row)}\n`)
}

const args = (values: Readonly<Record<string, string>>) =>
  new Arguments(FILE_OPTIONS, new Map(Object.entries(values).map(([k, v]) => [k, [v]])), [])

test('the mini tasks are asked from the folder that their data was built in, and from that above it', async () => {
  const ways: Record<string, string>[] = [
    { questions: home },
    { questions: join(home, 'test') },
    { data: folder },
  ]
  for (const way of ways) {
    const given = args(way)
    const data = given.text('data')
    assert.deepEqual(benchmarkNames(['mini-*'], given, data), ['mini-color', 'mini-shape'])
    for (const [name, files] of [
      ['mini', ['color.jsonl', 'shape.jsonl']],
      ['mini-color', ['color.jsonl']],
    ] as const) {
      const plan = await planOf(name, given, data)
      assert.deepEqual([plan.questions.map((file) => file.name), plan.mediaFolder], [files, home])
    }
  }
})

test('what is no folder of tasks is told, and no file is passed over unseen', async () => {
  for (const questions of [join(folder, 'nothing'), join(home, 'test/color.jsonl')])
    assert.throws(() => benchmarkNames(['mini-*'], args({ questions }), undefined), UsageError)
  const quick = (values: Readonly<Record<string, string>>) => {
    const given = args(values)
    return planOf('quick', given, given.text('data'))
  }
  await assert.rejects(quick({ data: join(folder, 'nothing') }), UsageError)
  await assert.rejects(quick({ questions: home, labels: home }), UsageError)
})

test('the labels of GQA are found by their name in its folder and in data below it, where gqa.sh writes predictions', async () => {
  // Beside data/ as --labels the predictions were read as labels, and refused.
  const data = join(folder, 'gqa/data')
  const name = 'testdev_balanced_questions.json'
  mkdirSync(data, { recursive: true })
  writeFileSync(join(data, name), '{"1": {"question": "q", "answer": "no"}}')
  writeFileSync(join(data, 'testdev_balanced_predictions.json'), '[{"questionId": "1"}]')
  const benchmark = findBenchmark('gqa')
  for (const labels of [join(folder, 'gqa'), data, join(data, name)]) {
    const found = await labelFiles({ args: args({ labels }), benchmark })
    assert.deepEqual(
      found.map((file) => file.name),
      [name],
    )
  }
})

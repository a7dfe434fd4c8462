/** A judge that cannot be had ends the command, and models that were loaded before it are let go; without one it is told what is missing. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { reply, withServer, type Handler } from '../scripted-server.ts'
import { llava, program } from './run-cli.ts'

const MODEL = resolve('fixtures/inference/llava-mlp')
const folder = mkdtempSync(join(tmpdir(), 'llava-eval-judges-'))
after(() => rmSync(folder, { recursive: true }))
writeFileSync(
  join(folder, 'questions.jsonl'),
  '{"question_id": 0, "image": "a.jpg", "text": "What?", "category": "conv"}\n',
)
writeFileSync(join(folder, 'answers.jsonl'), '{"question_id": 0, "text": "A thing."}\n')
const NO_JUDGE = ['--judge', join(folder, 'no-model')]

/** Null where it had to be killed: it waited for nothing. */
async function codeOf(args: readonly string[]): Promise<number | null> {
  let child: ChildProcess | undefined
  const timer = setTimeout(() => child?.kill('SIGKILL'), 60_000)
  const { code } = await program(args, { onStart: (started) => (child = started) })
  clearTimeout(timer)
  return code
}

test('llava eval with a wrong judge exits, whether or not a model is loaded for the answers', async () => {
  const files = ['--questions', join(folder, 'questions.jsonl'), '--out', join(folder, 'out')]
  const bench = ['eval', 'llava-bench', ...files, '--model', MODEL]
  assert.equal(await codeOf([...bench, ...NO_JUDGE]), 1)
  assert.equal(await codeOf([...bench, '--judge', 'http://127.0.0.1:9/v1']), 2)
})

test('llava score with a second judge that is wrong lets the first one go', async () => {
  const score = ['score', 'llava-bench', '--answers', join(folder, 'answers.jsonl')]
  const files = ['--questions', join(folder, 'questions.jsonl')]
  assert.equal(await codeOf([...score, ...files, '--judge', MODEL, ...NO_JUDGE]), 1)
  assert.equal(await codeOf([...score, ...files, '--judge', MODEL, '--judge', MODEL]), 2)
})

/** A model that answers and a judge that grades, on one server. */
const modelAndJudge: Handler = (body, ...rest) =>
  reply(body['model'] === 'judge' ? '0.5' : 'A thing.')(body, ...rest)

test('MM-Vet: without a judge it is told that one is missing, the evaluator’s input is there with and without, and a judged score stays', async () => {
  // The truth lay there and was told to be missing; a judge's score was written over by none.
  const home = join(folder, 'data/mm-vet')
  mkdirSync(join(home, 'images'), { recursive: true })
  copyFileSync('fixtures/pictures/photo-640x480.jpg', join(home, 'images/v1_0.jpg'))
  const question = { question_id: 0, image: 'v1_0.jpg', text: 'What?' }
  const truth = { v1_0: { question: 'What?', answer: 'thing', capability: ['rec'] } }
  writeFileSync(join(home, 'llava-mm-vet.jsonl'), `${JSON.stringify(question)}\n`)
  writeFileSync(join(home, 'mm-vet.json'), JSON.stringify(truth))
  await withServer([modelAndJudge], async (url) => {
    const run = async (out: string, ...more: string[]) => {
      const files = ['--data', join(folder, 'data'), '--out', join(folder, out)]
      return llava(['eval', 'mm-vet', ...files, '--engine', url, '--model', 'm', ...more])
    }
    const judge = ['--judge', url, '--judge-model', 'judge', '--cache-dir', join(folder, 'cache')]
    const written = (out: string, name: string) =>
      readFileSync(join(folder, out, 'mm-vet', name), 'utf8')

    const alone = await run('alone')
    assert.match(alone.stdout, /no score: no judge has read the answers; --judge has them/)
    assert.doesNotMatch(alone.stdout, /truth/)
    const judged = await run('judged', ...judge)
    assert.match(judged.stdout, /total +50\.0/)
    for (const out of ['alone', 'judged'])
      assert.deepEqual(JSON.parse(written(out, 'mm-vet.json')), { v1_0: 'A thing.' })

    const result = written('judged', 'result.json')
    const again = await run('judged')
    assert.equal(again.code, 1)
    assert.match(again.stdout + again.stderr, /is by judge and would be written over.*--judge/)
    assert.equal(written('judged', 'result.json'), result)
    // A judge may come later, and come again.
    for (const out of ['alone', 'judged']) assert.equal((await run(out, ...judge)).code, 0)
    assert.ok(existsSync(join(folder, 'alone/mm-vet/cap-score.csv')))
    const answers = join(folder, 'alone/mm-vet/answers.jsonl')
    const scored = await llava(['score', 'mm-vet', '--answers', answers])
    assert.match(scored.stdout, /no score: no judge has read the answers/)
  })
})

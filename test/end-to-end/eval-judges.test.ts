/** A judge that cannot be had ends the command: models that were loaded before it are let go. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { program } from './run-cli.ts'

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

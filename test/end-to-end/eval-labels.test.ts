/** `llava eval` with the labels of other questions: a server that answers is asked nothing, and the right labels find the folder free. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { llava } from './run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-eval-labels-'))
after(() => rmSync(folder, { recursive: true }))

let asked = 0
const server = createServer((request, response) => {
  if (request.method === 'POST') asked++
  request.resume().on('end', () => {
    response.end('{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}')
  })
})
before(() => new Promise<void>((done) => void server.listen(0, '127.0.0.1', done)))
after(() => {
  server.closeAllConnections()
  server.close()
})

const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

test('wrong labels cost no answer; right ones score, and scored again with others nothing is asked', async () => {
  const rows = [1, 2, 3].map((id) => ({ question_id: id, image: 'a.jpg', text: `Is it ${id}?` }))
  const questions = file('q.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const truth = (name: string, ids: readonly number[], answer: string) =>
    file(name, JSON.stringify(Object.fromEntries(ids.map((id) => [id, { answer }]))))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  const files = ['--questions', questions, '--out', join(folder, 'out')]
  const engine = ['--engine', url, '--model', 'm', '--blind']
  const run = (labels: string) =>
    llava(['eval', 'gqa', ...files, '--labels', labels, ...engine, '--json'])

  const wrong = await run(truth('other.json', [91, 92], 'yes'))
  assert.equal(wrong.code, 1)
  assert.match(wrong.stdout + wrong.stderr, /INPUT_ANSWERS_FOREIGN/)
  assert.match(wrong.stdout + wrong.stderr, /\(91, 92\), none is \(1, 2, 3\)/)
  assert.deepEqual([asked, existsSync(join(folder, 'out'))], [0, false])

  const accuracyOf = async (labels: string) => {
    const { code, stdout, stderr } = await run(labels)
    assert.equal(code, 0, stderr)
    const { results } = JSON.parse(stdout) as { results: { metrics: { value: number }[] }[] }
    return results[0]!.metrics[0]!.value
  }
  assert.equal(await accuracyOf(truth('no.json', [1, 2, 3], 'no')), 0)
  assert.equal(await accuracyOf(truth('yes.json', [1, 2, 3], 'yes')), 100)
  assert.equal(asked, 3)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progress } from './progress.ts'
import { Terminal, type TerminalStreams } from './terminal.ts'

function setUp(isJson: boolean): { progress: Progress; lines: string[]; pass(ms: number): void } {
  const lines: string[] = []
  const stderr = { write: (text: string) => lines.push(text) }
  const terminal = new Terminal({ stderr } as unknown as TerminalStreams, {})
  terminal.isJson = isJson
  let now = 0
  const progress = new Progress(terminal, () => now)
  return { progress, lines, pass: (ms) => void (now += ms) }
}

const AT = (done: number) => ({ stage: 'quantize', done, total: 200, item: 'layer' })

test('what is over within a second shows nothing', () => {
  const { progress, lines, pass } = setUp(false)
  progress.update(AT(10))
  pass(900)
  progress.update(AT(200))
  assert.deepEqual(lines, [])
})

test('without a terminal there is a line every few seconds, and one at the end', () => {
  const { progress, lines, pass } = setUp(false)
  pass(1500)
  for (const done of [20, 21, 22]) progress.update(AT(done))
  pass(6000)
  for (const done of [100, 101, 200]) progress.update(AT(done))
  assert.deepEqual(lines, [
    'quantize: 10 % layer\n',
    'quantize: 50 % layer\n',
    'quantize: 100 % layer\n',
  ])
})

test('beside JSON the lines are JSON', () => {
  const { progress, lines, pass } = setUp(true)
  pass(1500)
  progress.update(AT(50))
  assert.deepEqual(JSON.parse(lines.join('')), { progress: AT(50) })
})

test('a notice is said at once', () => {
  const { progress, lines } = setUp(false)
  progress.update({ stage: 'notice', done: 0, total: 0, item: 'The disk is full.' })
  assert.deepEqual(lines, ['note: The disk is full.\n'])
})

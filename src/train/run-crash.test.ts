/**
 * Runs in processes of their own that are killed, interrupted, or find no room on the disk.
 *
 * LLAVA_KILLS says how often the run is killed; ten take a minute or two.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Rng } from '../core/rng.ts'
import { colourRows, tinyRecipe } from '../../test/tiny-run.ts'
import { train, type TrainEvent } from './index.ts'
import { rounds } from '../../test/thorough.ts'

const KILLS = Number(process.env['LLAVA_KILLS'] ?? rounds(1, 4))
const STEPS = 16 + 8 * KILLS
const PROGRAM = fileURLToPath(new URL('../../../dist/program/main.js', import.meta.url))

let root: string
let recipe: Record<string, unknown>
let recipeFile: string
const output = (name: string) => join(root, name)

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'llava-crash-'))
  recipeFile = join(root, 'recipe.yaml')
  const rows = colourRows(root, 12)
  recipe = tinyRecipe(root, rows, {
    trainable: ['projector', 'vision'],
    lora: { rank: 4, dropout: 0.1 },
    steps: STEPS,
    schedule: { kind: 'cosine', warmupRatio: 0.1 },
    checkpoint: { everySteps: 2 },
    output: output('whole'),
  })
  // JSON is YAML.
  writeFileSync(recipeFile, JSON.stringify(recipe))
  await train(recipe)
})
after(() => rmSync(root, { recursive: true }))

function start(name: string, command: readonly string[] = []): ChildProcess {
  const set = `output=${output(name)}`
  const args = [PROGRAM, 'train', recipeFile, '--resume', '--set', set, '--json']
  const [first, ...rest] = [...command, process.execPath, ...args]
  return spawn(first as string, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
}

const ended = (child: ChildProcess) =>
  new Promise<number | null>((done) => child.on('close', (code) => done(code)))

/** Complete ones, the latest last. */
function checkpointsOf(name: string): string[] {
  const folder = join(output(name), 'checkpoints')
  const names = readdirSync(folder).filter((one) => /^step-\d+$/.test(one))
  return names.sort().map((one) => join(folder, one))
}

function stepsOf(name: string): { step: number; loss: number; gradNorm: number }[] {
  const lines = readFileSync(join(output(name), 'log.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
  const events = lines.map((line) => JSON.parse(line) as TrainEvent)
  return events.flatMap((event) =>
    event.kind === 'step' ? [{ step: event.step, loss: event.loss, gradNorm: event.gradNorm }] : [],
  )
}

/** Until the log has this step; a log that is not there yet has none. */
async function reached(name: string, step: number): Promise<void> {
  const isThere = () => {
    try {
      return stepsOf(name).some((one) => one.step >= step)
    } catch {
      return false
    }
  }
  while (!isThere()) await wait(5)
}

test('a run killed at random moments has the losses and weights of one that was not', async () => {
  const rng = new Rng(7)
  for (let kill = 0; kill < KILLS; kill++) {
    const child = start('killed')
    const end = ended(child)
    await Promise.race([reached('killed', 3 + 8 * kill), end])
    await wait(rng.integer(100))
    child.kill('SIGKILL')
    await end
    assert.equal(child.signalCode, 'SIGKILL', 'the run was over before it was killed')
  }
  const child = start('killed')
  const end = ended(child)
  await Promise.race([reached('killed', STEPS - 12), end])
  child.kill('SIGINT')
  assert.equal(await end, 130)
  await train({ ...recipe, output: output('killed') }, { resume: true })
  assert.deepEqual(stepsOf('killed'), stepsOf('whole'))
  const [a, b] = ['killed', 'whole'].map((name) =>
    readFileSync(join(output(name), 'model', 'adapter_model.safetensors')),
  )
  assert.deepEqual(a, b)
  assert.deepEqual(checkpointsOf('killed').length, 2)
})

test('a disk that is full while a checkpoint is written leaves the one before', async () => {
  const stop = new AbortController()
  const onEvent = ({ kind }: TrainEvent) => kind === 'checkpoint' && stop.abort()
  const full = { ...recipe, output: output('full') }
  await assert.rejects(train(full, { signal: stop.signal, onEvent }), { name: 'AbortError' })
  const latest = checkpointsOf('full').at(-1) as string
  const state = readFileSync(join(latest, 'state.safetensors'))
  // No file may become longer than 256 KiB: the log fits, a checkpoint does not.
  const limited = start('full', ['bash', '-c', 'ulimit -f 256; exec "$@"', 'bash'])
  let said = ''
  limited.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  assert.equal(await ended(limited), 1)
  const { error } = JSON.parse(said) as { error: { code: string; message: string } }
  assert.equal(error.code, 'CHECKPOINT_DISK_FULL')
  assert.match(error.message, /free some space/)
  assert.deepEqual(checkpointsOf('full').at(-1), latest)
  assert.deepEqual(readFileSync(join(latest, 'state.safetensors')), state)
  await train(full, { resume: true })
  assert.deepEqual(stepsOf('full'), stepsOf('whole'))
})

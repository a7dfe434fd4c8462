/**
 * `npm run test:hostile`: the real program under valid, malformed, huge, slow, aborted and malicious requests at once.
 *
 *     npm run test:hostile -- [--minutes 30] [--seed 1] [--json FILE]
 *
 * It passes if the server lives to the end and stops when told, tells no fault of its own, keeps its memory within 5 % after
 * warming up, answers every valid request with the library's greedy text, and shows nobody what is another's.
 */
import { setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Rng } from '../../src/core/rng.ts'
import { loadModel } from '../../src/index.ts'
import { HostileRun } from './hostile-run.ts'
import { memoryLines, warmUpOf } from './memory-phases.ts'
import { startServerProcess } from './server-process.ts'
import { validRequests } from './valid-requests.ts'

const MODEL = 'fixtures/inference/mini-vit-crop'
const KEYS = { alice: 'key-of-alice-0123456789', bob: 'key-of-bob-9876543210' }

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
})
const seconds = Number(values.minutes) * 60
if (!(seconds > 0)) throw new Error('--minutes should be more than 0.')

const folder = mkdtempSync(join(tmpdir(), 'llava-hostile-'))
const keyFile = join(folder, 'keys')
writeFileSync(keyFile, `alice ${KEYS.alice}\nbob ${KEYS.bob}\n`)
const model = await loadModel(MODEL, { precision: 'f32' })
const known = await validRequests(model)
await model.dispose()
// So small that they are full, and give up what is oldest, long before the warming up is over.
const limits = `--kv-bytes ${24 << 20} --picture-bytes ${2 << 20} --max-running 8 --max-queued 48 --no-page`
const flags = `--model ${MODEL} --precision f32 --port 0 ${limits} --api-key-file`
const server = await startServerProcess([...flags.split(' '), keyFile])
say(
  `${server.url}: ${known.length} known requests, ${values.minutes} minutes, of them ${(warmUpOf(seconds) / 60).toFixed(1)} to warm up`,
)
const stop = new AbortController()
setMaxListeners(0, stop.signal)
process.once('SIGINT', () => stop.abort())
const run = new HostileRun({
  server,
  known,
  keys: KEYS,
  rng: new Rng(Number(values.seed)),
  seconds,
  signal: stop.signal,
})
const report = await run.run()
const ended = await server.stop()
rmSync(folder, { recursive: true })
const findings = [
  ...report.findings,
  ...(ended === '0' ? [] : [`the server ended with ${ended} when it was told to stop`]),
  ...server.faults.map((line) => `the server said: ${line}`),
]
for (const [name, figure] of Object.entries(report.figures)) say(`${name}: ${figure}`)
for (const line of memoryLines(report.memory)) say(line)
for (const finding of findings) say(`FOUND ${finding}`)
say(findings.length === 0 ? 'nothing was found' : `${findings.length} findings`)
if (values.json !== undefined) {
  writeFileSync(values.json, JSON.stringify({ ...report, findings }, null, 2))
}
process.exit(findings.length === 0 ? 0 : 1)

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

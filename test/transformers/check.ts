/**
 * What was trained and what was converted is read by transformers, and adapters by PEFT: the same logits as ours.
 *
 *     npm run check:transformers -- --python FILE [--only TEXT]
 *
 * Outside the default tests: it needs Python with torch, transformers and, for the adapter, peft. LLAVA_FIXTURES names a
 * folder with more checkpoints than lie in the repository.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, type Case } from './cases.ts'
import { Comparison } from './comparison.ts'

const SCRIPT = join('test', 'transformers', 'logits.py')
/** As everywhere between an implementation in float32 and the exact result; logits of the cases reach 13. */
const TOLERANCE = 1e-3

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    only: { type: 'string', default: '' },
  },
})
const root = mkdtempSync(join(tmpdir(), 'llava-transformers-'))
let failures = 0
try {
  const chosen = CASES.filter(({ name }) => name.includes(values.only))
  const made = new Map<string, Comparison>()
  for (const [i, one] of chosen.entries()) {
    const comparison = await prepare(one, join(root, String(i)))
    if (comparison) made.set(one.name, comparison)
  }
  // Python starts once: torch and transformers take longer to import than all models to run.
  const folders = [...made.values()].map(({ folder }) => folder)
  const run = spawnSync(values.python, [SCRIPT, ...folders], { encoding: 'utf8' })
  if (run.status !== 0) throw new Error((run.stderr ?? String(run.error)).slice(-1500))
  for (const [name, comparison] of made) report(name, () => comparison.worst())
} finally {
  rmSync(root, { recursive: true })
}
process.exitCode = failures > 0 ? 1 : 0

/** What both are asked, with our answer; undefined where making it failed. */
async function prepare(one: Case, folder: string): Promise<Comparison | undefined> {
  try {
    return await Comparison.make(folder, one)
  } catch (error) {
    failed(one.name, error)
    return undefined
  }
}

function report(name: string, worst: () => number): void {
  try {
    const difference = worst()
    if (!(difference < TOLERANCE)) throw new Error(`logits differ by ${difference}`)
    process.stdout.write(`${name}: logits differ by at most ${difference.toExponential(1)}\n`)
  } catch (error) {
    failed(name, error)
  }
}

function failed(name: string, error: unknown): void {
  failures++
  process.stdout.write(
    `${name}: FAILED: ${error instanceof Error ? error.message : String(error)}\n`,
  )
}

/**
 * The folder of a run:
 *
 *   recipe.json          the recipe with every default filled in
 *   log.jsonl            one line an event
 *   quarantine.jsonl     one line a record that is not learnt from
 *   survey-….json        what the look at every record found, so that the next start need not look again
 *   checkpoints/step-N   the latest states; a folder of that name is complete
 *   report.html          curves and answers, for a browser
 *   model                what was trained
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises'
import { extname, join, resolve } from 'node:path'
import { ConfigError } from '../core/errors.ts'
import { writeFileAtomically } from '../weights/node.ts'
import { refusedWrite } from '../weights/refused-write.ts'
import type { StoredSurvey } from './run-data.ts'
import type { TrainEvent } from './run-events.ts'

export type FoundCheckpoint = { readonly step: number; readonly folder: string }

/** Pictures that pages show, by their ending, and how long one may be. */
const SHOWN: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
}
const SHOWN_BYTES = 200_000

const LOG = 'log.jsonl'
const CHECKPOINTS = 'checkpoints'

export class RunFolder {
  readonly path: string
  #log: number | null = null

  constructor(path: string) {
    this.path = resolve(path)
  }

  get modelFolder(): string {
    return join(this.path, 'model')
  }

  get projectorFile(): string {
    return join(this.path, 'projector.safetensors')
  }

  checkpointFolder(step: number): string {
    return join(this.path, CHECKPOINTS, `step-${String(step).padStart(8, '0')}`)
  }

  /**
   * The latest checkpoint, or null. Throws ConfigError where a run is there already and nobody said to go on with it; one
   * that ended before its first step is none.
   */
  async start({ isResumed }: { readonly isResumed: boolean }): Promise<FoundCheckpoint | null> {
    await mkdir(join(this.path, CHECKPOINTS), { recursive: true }).catch(refused(this.path))
    const found = (await this.#checkpoints()).at(-1) ?? null
    if (!isResumed && (found !== null || (await this.#hasStep()))) {
      throw new ConfigError(
        'CONFIG_RUN_EXISTS',
        `output: ${this.path} holds a run already; go on with it (--resume), or name another folder.`,
      )
    }
    return found
  }

  /** After a start that failed: takes away what it made and left empty. */
  async abandon(): Promise<void> {
    this.close()
    const log = join(this.path, LOG)
    const isEmpty = (await stat(log).catch(() => null))?.size === 0
    if (isEmpty) await rm(log, { force: true })
    for (const folder of [join(this.path, CHECKPOINTS), this.path]) {
      // A folder with something in it stays.
      await rmdir(folder).catch(() => {})
    }
  }

  /** Deletes all checkpoints but the latest, and what was cut short. */
  async prune(keep: number): Promise<void> {
    const folder = join(this.path, CHECKPOINTS)
    const kept = (await this.#checkpoints()).slice(-keep).map((one) => one.folder)
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      if (!kept.includes(path)) await rm(path, { recursive: true, force: true })
    }
  }

  /** Opens the log behind the lines up to the checkpoint: what came after it is done again. */
  async openLog(found: FoundCheckpoint | null): Promise<void> {
    const path = join(this.path, LOG)
    const text = await readFile(path, 'utf8').catch(() => '')
    // A line that was cut short has no end.
    const lines = text.split('\n').slice(0, -1)
    const last = found?.step ?? -1
    const kept = lines.filter((line) => stepOf(line) <= last)
    if (kept.length < lines.length || text !== '') await this.write(LOG, kept)
    this.#log = openSync(path, 'a')
  }

  /** Throws CheckpointError where the disk refuses. */
  log(event: TrainEvent): void {
    if (this.#log === null || event.kind === 'progress') return
    const line = JSON.stringify({ time: new Date().toISOString(), ...event })
    try {
      writeSync(this.#log, `${line}\n`)
    } catch (error) {
      refused(join(this.path, LOG))(error)
    }
  }

  /** The events of the log so far. */
  async events(): Promise<TrainEvent[]> {
    const text = await readFile(join(this.path, LOG), 'utf8').catch(() => '')
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as TrainEvent)
  }

  /** Writes a file of lines, or of one text, whole or not at all. */
  async write(name: string, lines: string | readonly string[]): Promise<void> {
    const text = typeof lines === 'string' ? lines : lines.map((line) => `${line}\n`).join('')
    const bytes = new TextEncoder().encode(text)
    await writeFileAtomically(join(this.path, name), (append) => append(bytes))
  }

  /** A picture's file as a data URL; null where it is too long for a page or of a kind that browsers do not show. */
  async pictureUrl(path: string): Promise<string | null> {
    const type = SHOWN[extname(path).toLowerCase()]
    const bytes = type === undefined ? null : await readFile(path).catch(() => null)
    if (!bytes || bytes.length > SHOWN_BYTES) return null
    return `data:${type};base64,${bytes.toString('base64')}`
  }

  async remembered(key: string): Promise<StoredSurvey | null> {
    const text = await readFile(join(this.path, surveyName(key)), 'utf8').catch(() => null)
    return text === null ? null : (JSON.parse(text) as StoredSurvey)
  }

  remember(key: string, survey: StoredSurvey): Promise<void> {
    return this.write(surveyName(key), JSON.stringify(survey))
  }

  close(): void {
    if (this.#log !== null) closeSync(this.#log)
    this.#log = null
  }

  /** Whether the log tells of a step that was made. */
  async #hasStep(): Promise<boolean> {
    const text = await readFile(join(this.path, LOG), 'utf8').catch(() => '')
    return text.split('\n').some((line) => line.includes('"kind":"step"'))
  }

  async #checkpoints(): Promise<FoundCheckpoint[]> {
    const folder = join(this.path, CHECKPOINTS)
    const names = (await readdir(folder)).filter((name) => /^step-\d+$/.test(name)).sort()
    return names.map((name) => ({ step: Number(name.slice(5)), folder: join(folder, name) }))
  }
}

function surveyName(key: string): string {
  return `survey-${createHash('sha256').update(key).digest('hex').slice(0, 12)}.json`
}

/** A line that a power cut spoilt is of no step that is kept. */
function stepOf(line: string): number {
  try {
    const { step = 0 } = JSON.parse(line) as { step?: number }
    return step
  } catch {
    return Infinity
  }
}

function refused(path: string): (cause: unknown) => never {
  return refusedWrite(path, {
    where: 'output',
    untouched: 'the checkpoints that are there are whole',
  })
}

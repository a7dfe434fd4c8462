/**
 * The folder of a run:
 *
 *   recipe.json          the recipe with every default filled in
 *   log.jsonl            one line an event
 *   quarantine.jsonl     one line a record that is not learnt from
 *   survey-….json        what the look at every record found, so that the next start need not look again
 *   run.lock             there while a process trains into it
 *   checkpoints/step-N   the latest states; a folder of that name is complete
 *   report.html          curves and answers, for a browser
 *   model                what was trained
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConfigError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder-node.ts'
import { takeLock } from '../data/process-lock.ts'
import { completeFolder } from '../weights/folder-node.ts'
import { writeFileAtomically } from '../weights/node.ts'
import { refusedWrite } from '../weights/refused-write.ts'
import type { StoredSurvey } from './run-data.ts'
import type { TrainEvent } from './run-events.ts'

export type FoundCheckpoint = { readonly step: number; readonly folder: string }

export const RECIPE = 'recipe.json'

export const QUARANTINE = 'quarantine.jsonl'

const LOG = 'log.jsonl'
const CHECKPOINTS = 'checkpoints'
const LOCK = 'run.lock'

/** What a write left that was cut short, and folders of checkpoints that were set aside. */
const TORN = /\.[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\.tmp$/
const ASIDE = /^(step-\d+)\.\d+\.old$/

/** Folders that runs of this process train into: a lock with this process's id may be one that an earlier one left. */
const OWN = new Set<string>()

export class RunFolder {
  readonly path: string
  #log: number | null = null
  #isLocked = false

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
    await makeFolder(join(this.path, CHECKPOINTS)).catch(refused(this.path))
    this.#lock()
    try {
      return await this.#begin(isResumed)
    } catch (error) {
      this.close()
      throw error
    }
  }

  async #begin(isResumed: boolean): Promise<FoundCheckpoint | null> {
    await this.#putBack()
    const found = (await this.#checkpoints()).at(-1) ?? null
    if (!isResumed && (found !== null || (await this.#hasStep()))) {
      throw new ConfigError(
        'CONFIG_RUN_EXISTS',
        `output: ${this.path} holds a run already; go on with it (--resume), or name another folder.`,
      )
    }
    for (const name of (await readdir(this.path)).filter((one) => TORN.test(one))) {
      await rm(join(this.path, name), { recursive: true, force: true })
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

  /** Deletes all checkpoints but the latest, and what was cut short; what others put there stays. */
  async prune(keep: number): Promise<void> {
    const folder = join(this.path, CHECKPOINTS)
    const kept = (await this.#checkpoints()).slice(-keep).map((one) => one.folder)
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      const isOurs = isCheckpoint(name) || TORN.test(name) || ASIDE.test(name)
      if (isOurs && !kept.includes(path)) await rm(path, { recursive: true, force: true })
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

  /** The recipe that the run was begun with; null where none was written. */
  async recipe(): Promise<unknown> {
    const text = await readFile(join(this.path, RECIPE), 'utf8').catch(() => null)
    return text === null ? null : (JSON.parse(text) as unknown)
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

  async remembered(key: string): Promise<StoredSurvey | null> {
    const text = await readFile(join(this.path, surveyName(key)), 'utf8').catch(() => null)
    return text === null ? null : (JSON.parse(text) as StoredSurvey)
  }

  remember(key: string, survey: StoredSurvey): Promise<void> {
    return this.write(surveyName(key), JSON.stringify(survey))
  }

  stopped(records: StoredSurvey['quarantined']): Promise<void> {
    return this.write(
      QUARANTINE,
      records.map((one) => JSON.stringify(one)),
    )
  }

  close(): void {
    if (this.#log !== null) closeSync(this.#log)
    this.#log = null
    if (!this.#isLocked) return
    this.#isLocked = false
    OWN.delete(this.path)
    rmSync(join(this.path, LOCK), { force: true })
  }

  /** Two runs in one folder would delete each other's checkpoints. */
  #lock(): void {
    const lock = join(this.path, LOCK)
    const owner = OWN.has(this.path) ? process.pid : this.#takeLock(lock)
    if (owner === null) {
      OWN.add(this.path)
      this.#isLocked = true
      return
    }
    throw new ConfigError(
      'CONFIG_RUN_BUSY',
      `output: ${this.path} is trained into by process ${owner}; wait for it, or name another folder (if that process is no run, delete ${lock}).`,
    )
  }

  /** The living process that has the lock; null: it is ours. */
  #takeLock(lock: string): number | null {
    try {
      const owner = takeLock(lock)
      return owner === process.pid ? null : owner
    } catch (error) {
      return refused(lock)(error)
    }
  }

  /** Whether the log tells of a step that was made. */
  async #hasStep(): Promise<boolean> {
    const text = await readFile(join(this.path, LOG), 'utf8').catch(() => '')
    return text.split('\n').some((line) => line.includes('"kind":"step"'))
  }

  /** A checkpoint that was set aside for another, of which a kill let none take its place, is there again. */
  async #putBack(): Promise<void> {
    const folder = join(this.path, CHECKPOINTS)
    for (const name of await readdir(folder)) {
      const [, step] = ASIDE.exec(name) ?? []
      if (step === undefined) continue
      const path = join(folder, step)
      const complete = await completeFolder(path)
      if (complete !== undefined && complete !== path)
        await rename(complete, path).catch(refused(path))
    }
  }

  async #checkpoints(): Promise<FoundCheckpoint[]> {
    const folder = join(this.path, CHECKPOINTS)
    const names = (await readdir(folder)).filter(isCheckpoint).sort()
    return names.map((name) => ({ step: Number(name.slice(5)), folder: join(folder, name) }))
  }
}

function isCheckpoint(name: string): boolean {
  return /^step-\d+$/.test(name)
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

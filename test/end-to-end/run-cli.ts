/** Runs the command line as a user does: the built program in a process of its own, or the same in this one. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { run } from '../../src/cli/run.ts'

export const PROGRAM = fileURLToPath(new URL('../../../dist/program/main.js', import.meta.url))

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

export type RunOptions = {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** What stdin holds; it ends there. */
  readonly input?: string
  /** Leaves stdin open after `input`. */
  readonly isOpen?: boolean
  /** `stderr` closes stdout as soon as it is there. */
  readonly reads?: 'both' | 'stderr'
  /** Called with the child, for those who send it signals. */
  readonly onStart?: (child: ChildProcess) => void
}

/**
 * In this process, for what does not depend on having one: the start of another takes longer than most of what is asked.
 * (Help is written by cac, past `source`.)
 */
export async function llava(args: readonly string[], input = ''): Promise<Ran> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const source = Object.assign(new EventEmitter(), {
    env: process.env,
    stdin: Readable.from([Buffer.from(input)]),
    stdout,
    stderr,
    exit: (code: number) => assert.fail(`the program would have ended with ${code}`),
  })
  const ended = run(args, source as unknown as NodeJS.Process).finally(() => {
    stdout.end()
    stderr.end()
  })
  const [printed, noted, code] = await Promise.all([text(stdout), text(stderr), ended])
  return { code, stdout: printed, stderr: noted }
}

/** In a process of its own. */
export async function program(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd, env, input = '', isOpen = false, reads = 'both', onStart } = options
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd,
    env: { ...process.env, ...env },
  })
  onStart?.(child)
  if (reads === 'stderr') child.stdout.destroy()
  child.stdin.write(input)
  if (!isOpen) child.stdin.end()
  const ended = new Promise<number | null>((done) => child.on('close', done))
  const [stdout, stderr, code] = await Promise.all([
    reads === 'both' ? text(child.stdout) : '',
    text(child.stderr),
    ended,
  ])
  return { code, stdout, stderr }
}

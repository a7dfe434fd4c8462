/** Runs the built program as a user does, in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

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

export async function llava(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
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

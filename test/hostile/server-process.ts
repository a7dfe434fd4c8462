/** The real program as a process of its own, and what is seen of it from outside: memory, log, whether it lives. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

export type ServerProcess = {
  readonly url: string
  readonly port: number
  /** Lines of its log that tell a fault of its own, and warnings. */
  readonly faults: readonly string[]
  /** How it ended, if it did. */
  readonly ended: () => string | null
  /** Memory that it has now, without files that are mapped, and its threads; 0 where the system does not tell. */
  readonly memory: () => { readonly bytes: number; readonly threads: number }
  stop(): Promise<string | null>
}

/** Starts `llava serve` of this build and waits until it listens. */
export async function startServerProcess(args: readonly string[]): Promise<ServerProcess> {
  const program = new URL('../../../dist/program/main.js', import.meta.url).pathname
  const child = spawn(process.execPath, ['--trace-warnings', program, 'serve', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const faults: string[] = []
  let ended: string | null = null
  const end = new Promise<string>((resolve) => {
    child.on('exit', (code, signal) => {
      ended = signal ?? String(code)
      resolve(ended)
    })
  })
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (isFault(line)) faults.push(line.slice(0, 2000))
  })
  const url = await urlOf(child, end)
  return {
    url,
    port: Number(new URL(url).port),
    faults,
    ended: () => ended,
    memory: () => memoryOf(child.pid ?? 0),
    async stop() {
      child.kill('SIGTERM')
      return end
    },
  }
}

/** `level` 50 is an error of pino's; everything that is no line of the log is Node's own complaint. */
function isFault(line: string): boolean {
  try {
    return (JSON.parse(line) as { level?: number }).level === 50
  } catch {
    return /error|warning|^\s+at\s/i.test(line)
  }
}

async function urlOf(child: ChildProcess, end: Promise<string>): Promise<string> {
  let text = ''
  const told = new Promise<string>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      const url = /"url":\s*"([^"]+)"/.exec(text)?.[1]
      if (url !== undefined) resolve(url)
    })
  })
  return Promise.race([
    told,
    end.then((how) => Promise.reject(new Error(`the server ended before it listened: ${how}`))),
  ])
}

function memoryOf(pid: number): { bytes: number; threads: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const number = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0)
    return { bytes: number('RssAnon') * 1024, threads: number('Threads') }
  } catch {
    return { bytes: 0, threads: 0 }
  }
}

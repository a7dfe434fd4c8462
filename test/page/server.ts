/** `llava serve` as a user runs it, on a free port and with a key. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../../dist/program/main.js', import.meta.url))

export const KEY = 'key-of-the-page-0123456789'

export type PageServer = { readonly url: string; close(): Promise<void> }

export async function servePage(model: string): Promise<PageServer> {
  const folder = mkdtempSync(join(tmpdir(), 'llava-page-'))
  const keys = join(folder, 'keys.txt')
  writeFileSync(keys, `page ${KEY}\n`)
  const flags = ['--model', model, '--port', '0', '--json', '--api-key-file', keys]
  const child = spawn(process.execPath, [PROGRAM, 'serve', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const exit = once(child, 'exit')
  const line = once(createInterface(child.stdout), 'line') as Promise<[string]>
  const [first] = await Promise.race([line, exit])
  if (typeof first !== 'string') throw new Error(`llava serve ended: ${log}`)
  const { page } = JSON.parse(first) as { readonly page: string | null }
  if (page === null) throw new Error(`llava serve has no page: ${log}`)
  return {
    url: page,
    async close() {
      child.kill('SIGTERM')
      await exit
      rmSync(folder, { recursive: true })
    },
  }
}

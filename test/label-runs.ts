/** Runs of `label` over files made here, with a model that says what it was asked. */
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer } from '../src/serve/answer.ts'
import type { GenerateRequest } from '../src/serve/request.ts'
import { label, type LabelEvent, type LabelModel, type LabelOptions } from '../src/label/index.ts'

export const root = mkdtempSync(join(tmpdir(), 'llava-label-'))
// Not after the tests of a file: those of others go on here.
process.once('exit', () => rmSync(root, { recursive: true }))
let files = 0
export const newPath = (name: string) => join(root, `${files++}-${name}`)

/** A PNG header of that size; nobody here decodes what follows. */
export function png(width: number, height: number, rest = ''): Buffer {
  const head = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
  const size = Buffer.alloc(13)
  size.writeUInt32BE(width, 0)
  size.writeUInt32BE(height, 4)
  size.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([head, size, Buffer.alloc(4), Buffer.from(rest)])
}

/** One black pixel, so many times. */
export function gif(frames: number): Buffer {
  const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
  const head = bytes('474946383961 0100 0100 80 00 00 000000 000000')
  const frame = bytes('21f904 00 0a00 00 00 2c 0000 0000 0100 0100 00 02 02 4401 00')
  return Buffer.concat([head, ...Array.from({ length: frames }, () => frame), bytes('3b')])
}

export function folderOf(names: readonly string[]): string {
  const folder = newPath('folder')
  names.forEach((name, i) => {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), png(10 + i, 10, name))
  })
  return folder
}

export type Asked = {
  readonly request: GenerateRequest
  readonly text: string
  readonly media: string[]
}

/** Says what it was asked: a model whose answers depend on all of the request. */
export function echo(
  asked: Asked[] = [],
  hear: (one: Asked) => void | Promise<void> = () => {},
): LabelModel {
  return {
    async generate(request) {
      const { messages } = request as Extract<GenerateRequest, { messages: unknown }>
      const { content } = messages.at(-1)!
      const parts =
        typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content
      const text = parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('|')
      const media = parts.flatMap((part) => {
        if (part.type === 'image') return `image ${shown(part.image)}`
        return part.type === 'video' ? `video ${shown(part.video)}` : []
      })
      const one = { request, text, media }
      asked.push(one)
      await hear(one)
      const answer = request.responseFormat
        ? JSON.stringify({ n: text.length, say: text, list: [1] })
        : `${text} ${media.join(' ')}`
      return {
        text: answer,
        tokens: [],
        finishReason: 'stop',
        usage: { promptTokens: 3, imageTokens: 0, cachedTokens: 0, completionTokens: 2 },
        timings: {} as Answer['timings'],
      }
    },
  }
}

export function shown(source: unknown): string {
  if (source instanceof Uint8Array)
    return createHash('sha1').update(source).digest('hex').slice(0, 8)
  return String(source).slice(root.length)
}

export const shaOf = (bytes: Uint8Array) => shown(new Uint8Array(bytes))

export type Line = {
  item_id: string
  prompt_id: string
  text: string | null
  answer?: unknown
  usage: unknown
  error: { code: string; message: string } | null
}

export async function run(options: Partial<LabelOptions>, onEvent?: (event: LabelEvent) => void) {
  const out = options.out ?? newPath('out.jsonl')
  const whole: LabelOptions = {
    input: root,
    prompts: ['what?'],
    engines: [{ model: echo(), name: 'echo' }],
    ...options,
    out,
  }
  const report = await label(whole, onEvent && { onEvent })
  return { report, out, lines: out.endsWith('.jsonl') ? linesOf(out) : [] }
}

export const linesOf = (out: string) =>
  readFileSync(out, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)

export const withoutModes = process.platform === 'win32' && 'files have no modes there'

/** Root reads everything: it becomes nobody for a while. */
export async function asNobody(work: () => Promise<void>): Promise<void> {
  chmodSync(root, 0o777)
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.(65534)
  try {
    await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

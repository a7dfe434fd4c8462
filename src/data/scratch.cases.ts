/** A folder that tests write data sets into, gone when they end. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'

export type Scratch = {
  readonly folder: string
  /** Writes and returns the path; what is neither text nor bytes becomes JSON. */
  write(name: string, content: unknown): string
}

export function scratchFolder(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), 'llava-data-'))
  after(() => rmSync(folder, { recursive: true }))
  return {
    folder,
    write(name, content) {
      const path = join(folder, name)
      mkdirSync(dirname(path), { recursive: true })
      const isFile = typeof content === 'string' || content instanceof Uint8Array
      writeFileSync(path, isFile ? content : JSON.stringify(content))
      return path
    },
  }
}

/** A record of one question and one answer, with pictures of these paths. */
export function asked(id: string, images: readonly string[] = [], answer = 'Yes.'): object {
  const places = '<image>\n'.repeat(images.length)
  return {
    id,
    ...(images.length > 0 && { image: images.length === 1 ? images[0] : images }),
    conversations: [
      { from: 'human', value: `${places}What is it?` },
      { from: 'gpt', value: answer },
    ],
  }
}

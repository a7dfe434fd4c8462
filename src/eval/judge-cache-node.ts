/** A judge's replies on the disk, one small file each, named by what was asked. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileWhole } from '../core/write-file-whole-node.ts'
import { isRow } from './eval-file.ts'
import type { JudgeCache, JudgeReply } from './judge.ts'

export class FileJudgeCache implements JudgeCache {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** A damaged file is none: the judge is asked again. */
  get(key: string): JudgeReply | null {
    const path = this.#path(key)
    if (!existsSync(path)) return null
    try {
      const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
      return isReply(value) ? value : null
    } catch {
      return null
    }
  }

  set(key: string, reply: JudgeReply): void {
    writeFileWhole(this.#path(key), `${JSON.stringify(reply)}\n`)
  }

  #path(key: string): string {
    return join(this.#folder, key.slice(0, 2), `${key}.json`)
  }
}

function isReply(value: unknown): value is JudgeReply {
  return (
    isRow(value) &&
    typeof value['text'] === 'string' &&
    typeof value['promptTokens'] === 'number' &&
    typeof value['completionTokens'] === 'number'
  )
}

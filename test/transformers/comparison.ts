/** One question that lies in a folder for Python, and our answer to it. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Case } from './cases.ts'
import type { Asked } from './request.ts'

export class Comparison {
  readonly folder: string
  readonly #asked: Asked

  private constructor(folder: string, asked: Asked) {
    this.folder = folder
    this.#asked = asked
  }

  static async make(folder: string, { make }: Case): Promise<Comparison> {
    mkdirSync(folder)
    const { checkpoint, base, asked } = await make(folder)
    const { inputIds, shape, images, frames } = asked
    const request = { checkpoint, base, inputIds, shape, images, frames }
    writeFileSync(join(folder, 'request.json'), JSON.stringify(request))
    writeFileSync(join(folder, 'pixels.f32'), new Uint8Array(asked.pixels.buffer))
    return new Comparison(folder, asked)
  }

  /** The largest difference of a logit. Rows that conversion adds to the vocabulary are at its end. */
  worst(): number {
    const complaint = join(this.folder, 'error.txt')
    if (existsSync(complaint)) throw new Error(readFileSync(complaint, 'utf8').trim())
    const bytes = readFileSync(join(this.folder, 'logits.f32'))
    const theirs = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    const { inputIds, logits: ours, vocabSize } = this.#asked
    const theirVocab = theirs.length / inputIds.length
    assert.ok(Math.abs(theirVocab - vocabSize) <= 2, `${theirVocab} logits, ${vocabSize} of ours`)
    let worst = 0
    for (let t = 0; t < inputIds.length; t++) {
      for (let v = 0; v < Math.min(vocabSize, theirVocab); v++) {
        const off = Math.abs(theirs[t * theirVocab + v]! - ours[t * vocabSize + v]!)
        if (!(off <= worst)) worst = off
      }
    }
    return worst
  }
}

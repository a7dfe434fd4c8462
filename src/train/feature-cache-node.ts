/**
 * What a frozen tower makes of tiles, kept on disk: whoever sees a picture again reads its features instead of computing them.
 *
 * A file is named after the SHA-256 of the tower and of the tile's pixels, and holds the very floats that the tower gave, so
 * a run with a cache is the run without, bit for bit on the same kind of CPU.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../core/make-folder-node.ts'
import type { ParameterMap } from '../families/parameter-map.ts'
import type { Value } from '../graph/graph.ts'
import { refusedWrite } from '../weights/refused-write.ts'

export type FeatureCache = {
  /** Fills `features` and says so, or says that they are not there. */
  read(pixels: Float32Array, features: Float32Array): Promise<boolean>
  write(pixels: Float32Array, features: Float32Array): Promise<void>
}

/** Throws CheckpointError where the folder cannot be made. */
export async function openFeatureCache(folder: string, tower: string): Promise<FeatureCache> {
  const own = join(folder, tower)
  await makeFolder(own).catch(refused(own))
  const fileOf = (pixels: Float32Array) => join(own, `${hashOf(pixels)}.f32`)
  return {
    async read(pixels, features) {
      const bytes = await readFile(fileOf(pixels)).catch(() => null)
      // A file of another length was cut short by a crash.
      if (bytes?.length !== features.byteLength) return false
      bytesOf(features).set(bytes)
      return true
    },
    async write(pixels, features) {
      const path = fileOf(pixels)
      const temporary = `${path}.${randomUUID()}.tmp`
      try {
        await writeFile(temporary, bytesOf(features))
        await rename(temporary, path)
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => {})
        refused(path)(error)
      }
    },
  }
}

/** Names a tower by its weights, and by what is read of it. */
export function hashTower(values: readonly Value[], parameters: ParameterMap): string {
  const tower = values.filter(({ name }) => /^(?:vision|standardise)\./.test(name))
  const hash = createHash('sha256')
  for (const { name } of tower) {
    const { dtype, shape, data } = parameters.read(name)
    hash.update(JSON.stringify([name, dtype, shape]))
    hash.update(bytesOf(data))
    parameters.release(name)
  }
  return hash.digest('hex').slice(0, 16)
}

function hashOf(values: ArrayBufferView): string {
  return createHash('sha256').update(bytesOf(values)).digest('hex')
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function refused(path: string): (cause: unknown) => never {
  return refusedWrite(path, {
    where: 'featureCache',
    untouched: 'or train without a cache; the checkpoints that are there are whole',
  })
}

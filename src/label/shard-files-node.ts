/**
 * Tar shards as files whose members can be read one by one. One that is packed is unpacked, when its first member is wanted,
 * into a file that has no name any more: whatever happens to the process, the system takes its room back.
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { InputError } from '../core/errors.ts'
import { openTar } from '../data/tar-members.ts'
import { FewOpen, type Lent } from './few-open.ts'

/** Items of a shard follow one another, so one is read while another ends. */
const MOST_UNPACKED = 2

export function isPackedShard(path: string): boolean {
  return /\.(?:tgz|tar\.gz)$/i.test(path)
}

export class ShardFiles {
  readonly #unpacked = new FewOpen<FileHandle>({
    most: MOST_UNPACKED,
    open: unpack,
    close: (file) => file.close(),
  })

  /** Throws InputError for a packed one that is not whole. */
  async borrow(path: string): Promise<Lent<FileHandle>> {
    if (isPackedShard(path)) return this.#unpacked.borrow(path)
    const file = await openTar(path)
    return { file, [Symbol.asyncDispose]: () => file.close() }
  }

  close(): Promise<void> {
    return this.#unpacked.close()
  }
}

async function unpack(path: string): Promise<FileHandle> {
  const file = await namelessFile()
  try {
    await pipeline(createReadStream(path), createGunzip(), async (pieces) => {
      // Not by a stream on the handle, which would keep it from being closed.
      for await (const piece of pieces as AsyncIterable<Uint8Array>) await file.appendFile(piece)
    })
    return file
  } catch (error) {
    await file.close()
    const { code = '', message } = error as NodeJS.ErrnoException
    if (!code.startsWith('Z_')) throw error
    throw new InputError(
      'INPUT_DATA_BROKEN',
      `label: ${path} should be a whole gzip file, it is not (${message}); get it again.`,
      { cause: error },
    )
  }
}

async function namelessFile(): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'llava-shard-'))
  try {
    return await open(join(folder, 'shard.tar'), 'w+', 0o600)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

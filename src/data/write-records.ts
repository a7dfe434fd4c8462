/**
 * Records to a JSON or JSON-lines file that appears complete or not at all.
 *
 * Paths of media are written relative to the file, so that it can be read without saying where they are. Pictures and
 * clips from inside Parquet files are written beside it, each once, named by what is in it.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname, join, parse, relative, resolve, sep } from 'node:path'
import { InputError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder-node.ts'
import { probeImage } from '../preprocess/probe-image.ts'
import type { AnyRecord } from './check-record.ts'
import type { Picture, RecordClip } from './record.ts'

export type WriteRecordsOptions = { readonly signal?: AbortSignal | undefined }

/** Writes as records come; returns how many. Throws what `records` throws, and then leaves no file. */
export async function writeRecords(
  path: string,
  records: AsyncIterable<AnyRecord>,
  { signal }: WriteRecordsOptions = {},
): Promise<number> {
  if (!/\.jsonl?$/i.test(path)) {
    throw new InputError(
      'INPUT_OUTPUT_NAME',
      `data: the file to write should end in .json or .jsonl, ${path} came.`,
    )
  }
  const target = resolve(path)
  await makeFolder(dirname(target))
  const temporary = `${target}.${process.pid}.tmp`
  const file = await open(temporary, 'w')
  try {
    const count = await writeRows(file, records, { target, signal })
    await file.sync()
    await file.close()
    await rename(temporary, target)
    return count
  } catch (error) {
    await file.close().catch(() => {})
    await rm(temporary, { force: true })
    throw error
  }
}

type Target = { readonly target: string; readonly signal: AbortSignal | undefined }

async function writeRows(
  file: FileHandle,
  records: AsyncIterable<AnyRecord>,
  { target, signal }: Target,
): Promise<number> {
  const [before, between, after] = target.endsWith('l') ? ['', '\n', '\n'] : ['[\n', ',\n', '\n]\n']
  let count = 0
  for await (const record of records) {
    signal?.throwIfAborted()
    const row = JSON.stringify(await rowOf(record, target))
    await file.write(`${count++ === 0 ? before : between}${row}`)
  }
  await file.write(count === 0 ? before.concat(after) : after)
  return count
}

async function rowOf(record: AnyRecord, target: string): Promise<object> {
  const { id, origin, source, images, videos, ...content } = record
  const pictures = await Promise.all(images.map((image) => pathOf(image, target, pictureFile)))
  const clips = await Promise.all(videos.map((clip) => pathOf(clip, target, clipFile)))
  const { turns, ...rest } = { turns: undefined, ...content }
  return {
    id,
    data_source: origin ?? source,
    ...(pictures.length > 0 && { image: pictures.length === 1 ? pictures[0] : pictures }),
    ...(clips.length > 0 && { video: clips.length === 1 ? clips[0] : clips }),
    ...(turns !== undefined && { conversations: turns }),
    ...rest,
  }
}

type FileKind = { readonly folder: string; readonly ending: (bytes: Uint8Array) => string }

const pictureFile: FileKind = { folder: 'pictures', ending: (bytes) => probeImage(bytes).format }
const clipFile: FileKind = { folder: 'clips', ending: clipEnding }

const CLIP_HEADS = { GIF8: 'gif', YUV4: 'y4m', RIFF: 'avi', '\u001aE\u00df\u00a3': 'webm' }

/** By the first bytes, as whoever opens it goes by them; mp4 for every other film. */
function clipEnding(bytes: Uint8Array): string {
  const head = String.fromCharCode(...bytes.subarray(0, 4))
  return Object.hasOwn(CLIP_HEADS, head) ? CLIP_HEADS[head as keyof typeof CLIP_HEADS] : 'mp4'
}

async function pathOf(medium: Picture | RecordClip, target: string, kind: FileKind) {
  if (typeof medium === 'string') return slashed(relative(dirname(target), medium))
  const folder = `${parse(target).name}-${kind.folder}`
  const hash = createHash('sha256').update(medium).digest('hex').slice(0, 32)
  const name = `${hash}.${kind.ending(medium)}`
  const path = join(dirname(target), folder, name)
  if (!existsSync(path)) {
    await makeFolder(dirname(path))
    await writeFile(`${path}.tmp`, medium)
    await rename(`${path}.tmp`, path)
  }
  return `${folder}/${name}`
}

/** Data files are read on other systems too. */
function slashed(path: string): string {
  return path.split(sep).join('/')
}

/** Answer, question and label files from disk. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, sep } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { InputError } from '../core/errors.ts'
import { isHiddenName } from '../data/hidden-name.ts'
import type { EvalFile } from './eval-file.ts'
import { decodeUtf8, LARGEST_TEXT, tooLarge } from './file-text-node.ts'
import { readLargeTable } from './large-table-node.ts'
import { readParquet } from './parquet-node.ts'
import { readSheet } from './xlsx.ts'
import { unzipTexts } from './zip-node.ts'

const KINDS = /\.(?:jsonl?|txt|tsv|csv|xlsx)$/i
const TABLE = /\.[tc]sv$/i
const PARQUET = /\.parquet$/i
const PACKED = /\.gz$/i

/** The file, or all tables and texts in the folder and below it, by name. */
export function readEvalFiles(path: string): EvalFile[] {
  return findFiles(path, KINDS).map(readEvalFile)
}

/** The same with Parquet files, whose pictures are read when they are needed. */
export async function loadEvalFiles(
  path: string,
  /** Of all names those to be read. */
  pick: (files: readonly Found[]) => readonly Found[] = (files) => files,
): Promise<EvalFile[]> {
  const found = pick(findFiles(path, new RegExp(`${KINDS.source}|${PARQUET.source}`, 'i')))
  return Promise.all(
    found.map((file) => (PARQUET.test(file.name) ? loadParquet(file) : readEvalFile(file))),
  )
}

/** The questions or the truth of a benchmark: of its folder, as LLaVA fills it, what models answered and judges said are none. */
export function loadBenchmarkFiles(
  path: string,
  pick: (files: readonly Found[]) => readonly Found[] = (files) => files,
): Promise<EvalFile[]> {
  return loadEvalFiles(path, (files) => pick(withoutAnswers(files)))
}

const ANSWERS = /(?:^|\/)(?:answers|answers_upload|results|reviews)\//

function withoutAnswers(files: readonly Found[]): readonly Found[] {
  const own = files.filter(({ name }) => !ANSWERS.test(name))
  return own.length > 0 ? own : files
}

type Found = { readonly path: string; readonly name: string }

function findFiles(path: string, kinds: RegExp): Found[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) {
    throw new InputError(
      'INPUT_ANSWERS_MISSING',
      `eval: there is nothing at ${path}; check the path.`,
    )
  }
  if (!stat.isDirectory()) return [{ path, name: unpackedName(basename(path)) }]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => kinds.test(unpackedName(name)) && !isHiddenName(name.split(sep).join('/')))
    .filter((name) => isFile(join(path, name)))
    // Of a file that lies there unpacked too, that one.
    .filter((name) => !PACKED.test(name) || !existsSync(join(path, unpackedName(name))))
    .sort()
  if (names.length === 0) {
    throw new InputError(
      'INPUT_ANSWERS_MISSING',
      `eval: the folder ${path} should hold .json, .jsonl, .txt, .tsv, .csv, .xlsx or .parquet files, it has none.`,
    )
  }
  return names.map((name) => ({
    path: join(path, name),
    name: unpackedName(name.split(sep).join('/')),
  }))
}

/** A link to nothing is a download that was not finished: to pass it over would drop its questions unseen. */
function isFile(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat) return stat.isFile()
  throw new InputError(
    'INPUT_ANSWERS_MISSING',
    `eval: ${path} should be a file, it is a link to nothing; download it again, or remove it.`,
  )
}

function unpackedName(name: string): string {
  return KINDS.test(name.replace(PACKED, '')) ? name.replace(PACKED, '') : name
}

async function loadParquet({ path, name }: Found): Promise<EvalFile> {
  return { name, path, text: '', rows: await readParquet(path), sha256: await hashContent(path) }
}

async function hashContent(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

/** From here on a table's pictures are left in its file. */
const LARGE_TABLE = 2 ** 27

function readEvalFile({ path, name }: Found): EvalFile {
  const { size } = statSync(path)
  if (size > LARGE_TABLE && TABLE.test(path)) return readLargeTable({ path, name })
  if (size > LARGEST_TEXT) throw tooLarge(path, size)
  const bytes = PACKED.test(path) ? unpacked(path) : readFileSync(path)
  if (/\.xlsx$/i.test(name))
    return { name, path, text: '', cells: readSheet(unzipTexts(bytes, name), name) }
  return { name, path, text: decodeUtf8(bytes, path) }
}

/** Labels of a large dataset are some hundred megabytes; a bomb is not unpacked. */
function unpacked(path: string): Buffer {
  try {
    return gunzipSync(readFileSync(path), { maxOutputLength: LARGEST_TEXT })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(path, null)
    throw new InputError(
      'INPUT_ANSWERS_BROKEN',
      `eval: ${path} should be a whole gzip file, it cannot be unpacked; download it again.`,
      { cause },
    )
  }
}

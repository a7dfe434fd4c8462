/** `llava data show`: one record as training sees it: its tokens, which of them are learnt, where its pictures' rows are. */
import type { AnyRecord } from '../data/index.ts'
import { measureRecord, modalityOf } from '../data/index.ts'
import { countImageTokens, imageSizeOf } from '../preprocess/index.ts'
import { partLines, pictureParts, sumOf, type TokenPart } from '../preprocess/token-parts.ts'
import { IGNORE_INDEX, type Sample } from '../train/index.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import { DATA_OPTIONS, type DataAction } from './data-action.ts'
import { DATA_MODEL_OPTIONS, openData, openDataModel, type DataModel } from './open-data.ts'
import { modelOf } from './load-flags.ts'
import { wholeFrom0 } from './number-options.ts'
import { Progress } from './progress.ts'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

export const dataShow: DataAction = {
  name: 'show',
  place: '<data>',
  about: 'one record as training sees it',
  options: [
    { name: 'index', kind: 'number', value: 'n', about: 'Which record, from 0' },
    ...DATA_MODEL_OPTIONS,
    ...DATA_OPTIONS,
  ],
  examples: ['data show instruct.json --index 17 --model llava-1.5-7b-hf'],
  async run(args, session) {
    const { terminal } = session
    const index = wholeFrom0(args, 'index')
    if (index === undefined) throw new UsageError('llava data show needs --index, a number from 0.')
    const progress = new Progress(terminal)
    await using dataset = await openData(args, session, progress).finally(() => progress.end())
    const where = dataset.whereOf(index)
    await using model = await openDataModel(modelOf(args), args, session)
    const record = await dataset.readEither(index)
    // What training sets aside, it does not see; media, masks and lengths are checked as the record is made a sample.
    await measureRecord(record, { pictures: 'none' })
    const shown = await describeRecord(record, model)
    const { id, source, origin } = record
    const modality = modalityOf(record)
    if (terminal.isJson) return terminal.json({ index, id, source, origin, modality, ...shown })
    terminal.print(`${where.replace(/^data: /, '')}, id ${id}: ${modality}`)
    for (const line of linesOf(shown, terminal)) terminal.print(line)
  },
}

type ShownToken = {
  readonly id: number
  /** As the vocabulary writes it; null for the rows of a picture or clip. */
  readonly token: string | null
  readonly text: string
  readonly kind: 'text' | 'special' | 'image' | 'video'
  /** Positions in the sequence: [from, to). */
  readonly from: number
  readonly to: number
  readonly isLearnt: boolean
}

type ShownPicture = {
  /** null for a picture inside the data file. */
  readonly file: string | null
  readonly width: number
  readonly height: number
  readonly tiles: number
  /** Tiles beside and above one another; null for one tile. */
  readonly grid: { readonly columns: number; readonly rows: number } | null
  readonly parts: readonly TokenPart[]
}

type ShownSequence = {
  /** Of a preference record: which of its answers. */
  readonly answer: 'chosen' | 'rejected' | null
  readonly length: number
  readonly learnt: number
  readonly tokens: readonly ShownToken[]
}

type Shown = {
  readonly pictures: readonly ShownPicture[]
  /** null for a clip inside the data file. */
  readonly clips: readonly (string | null)[]
  readonly sequences: readonly ShownSequence[]
}

async function describeRecord(record: AnyRecord, model: DataModel): Promise<Shown> {
  const { preparer } = model
  const clips = record.videos.map((clip) => (typeof clip === 'string' ? clip : null))
  const pictures = record.images.map((image) => describePicture(image, record.images.length, model))
  const rows = pictures.map(({ parts }) => sumOf(parts))
  const shown = (sample: Sample, answer: ShownSequence['answer']): ShownSequence => ({
    answer,
    length: sample.inputIds.length,
    learnt: Array.from(sample.labels).filter((_, at) => isLearntAt(sample, at)).length,
    tokens: tokensOf(sample, clips.length > 0 ? 'clips' : rows, model),
  })
  if ('turns' in record) {
    return { pictures, clips, sequences: [shown(await preparer.sample(record), null)] }
  }
  const { chosen, rejected } = await preparer.pair(record)
  return { pictures, clips, sequences: [shown(chosen, 'chosen'), shown(rejected, 'rejected')] }
}

function describePicture(
  image: AnyRecord['images'][number],
  pictures: number,
  { checkpoint }: DataModel,
): ShownPicture {
  const { image: config, vision } = checkpoint.config
  const file = typeof image === 'string' ? image : null
  const size = imageSizeOf(image)
  // The preparer says by its own name that the model takes no pictures.
  if (!config || !vision) return { file, ...size, tiles: 0, grid: null, parts: [] }
  const tokens = countImageTokens(size, config.tokens, { pictures })
  const grid = tokens.map && { columns: tokens.grid.width, rows: tokens.grid.height }
  return {
    file,
    ...size,
    tiles: tokens.tiles,
    grid,
    parts: pictureParts(tokens, featureRows(vision)),
  }
}

/** `rows` of each picture. Rows of clips are told apart by the text between them. */
function tokensOf(
  sample: Sample,
  rows: readonly number[] | 'clips',
  { tokenizer, checkpoint }: DataModel,
): ShownToken[] {
  const { inputIds } = sample
  const { image, video } = checkpoint.config
  const [kind, placeholder] =
    rows === 'clips'
      ? (['video', video?.placeholder] as const)
      : (['image', image?.placeholder] as const)
  const stream = tokenizer.stream({ skipSpecial: false })
  const tokens: ShownToken[] = []
  let [at, picture] = [0, 0]
  while (at < inputIds.length) {
    const id = inputIds[at] as number
    const isLearnt = isLearntAt(sample, at)
    if (id === placeholder) {
      const to = rows === 'clips' ? endOfRun(inputIds, at) : at + (rows[picture++] ?? 1)
      tokens.push({ id, token: null, text: `<${kind}>`, kind, from: at, to, isLearnt })
      at = to
      continue
    }
    const token = tokenizer.tokenOf(id) ?? null
    const written = tokenizer.specialIds.has(id) ? 'special' : 'text'
    const text = stream.push(id)
    tokens.push({ id, token, text, kind: written, from: at, to: ++at, isLearnt })
  }
  return tokens
}

/** The first token is predicted by nobody, whatever its label. */
function isLearntAt({ labels }: Sample, at: number): boolean {
  return at > 0 && labels[at] !== IGNORE_INDEX
}

function endOfRun(ids: ArrayLike<number>, from: number): number {
  let to = from
  while (to < ids.length && ids[to] === ids[from]) to++
  return to
}

function linesOf({ pictures, clips, sequences }: Shown, terminal: Terminal): string[] {
  const lines = [
    ...pictures.flatMap((picture, i) => pictureLines(picture, placeOf(i, sequences), i)),
    ...clips.map((clip, i) => {
      const positions = positionsOf(placeOf(i, sequences))
      return `clip ${i + 1}: ${clip ?? 'inside the file'}; ${positions}`
    }),
  ]
  for (const { answer, length, learnt, tokens } of sequences) {
    if (answer !== null) lines.push('', `${answer}:`)
    lines.push('', markedText(tokens, terminal), '')
    lines.push(`${length} tokens, ${learnt} learnt: ${terminal.style('green', '⟦such⟧')}`)
  }
  return lines
}

/** Where the rows of a picture or clip are, the same in both answers of a preference record. */
function placeOf(number: number, [first]: readonly ShownSequence[]): ShownToken | undefined {
  return first?.tokens.filter(({ token }) => token === null)[number]
}

function positionsOf(place: ShownToken | undefined): string {
  return place ? `positions ${place.from} to ${place.to - 1}` : 'no position'
}

function pictureLines(
  { file, width, height, tiles, grid, parts }: ShownPicture,
  place: ShownToken | undefined,
  i: number,
): string[] {
  const cut = grid ? `, ${grid.columns} × ${grid.rows} tiles` : tiles > 1 ? `, ${tiles} tiles` : ''
  let from = place?.from ?? 0
  return [
    `picture ${i + 1}: ${file ?? 'inside the file'}, ${width} × ${height}${cut}; ${positionsOf(place)}`,
    ...partLines(parts).map((line, at) => {
      const start = from
      from += parts[at]?.tokens ?? 0
      // Newline rows end the rows of the grid, so only what comes before them has a place of its own.
      const isApart = parts.some(({ part }) => part === 'newlines') && at > 0
      return isApart ? `  ${line}` : `  ${line}, from ${start}`
    }),
  ]
}

/** The sequence as it reads. What is learnt is green and in brackets, so that it shows without colours too. */
function markedText(tokens: readonly ShownToken[], terminal: Terminal): string {
  let text = ''
  for (let i = 0; i < tokens.length;) {
    const { isLearnt } = tokens[i] as ShownToken
    const end = tokens.findIndex((token, at) => at > i && token.isLearnt !== isLearnt)
    const run = tokens.slice(i, end < 0 ? tokens.length : end)
    const words = run.map((token) => shownText(token, terminal)).join('')
    text += isLearnt ? terminal.style('green', `⟦${words}⟧`) : words
    i += run.length
  }
  return text
}

function shownText({ text, kind, from, to, isLearnt }: ShownToken, terminal: Terminal): string {
  if (kind === 'image' || kind === 'video') {
    return terminal.style('magenta', `[${kind} × ${to - from}]`)
  }
  return kind === 'special' && !isLearnt ? terminal.style('yellow', text) : text
}

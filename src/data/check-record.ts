/**
 * Whether a record can be learnt from, and how long it is.
 *
 *   structure ─ turns alternate ─ places = pictures ─ pictures whole ─ mask right ─ length ─▶ facts, or a reason
 *
 * The first fault counts. Nothing is mended: what the original drops or replaces by another record is named here.
 */
import { InputError } from '../core/errors.ts'
import type { ImageSize } from '../preprocess/image.ts'
import { SPACE } from '../text/jinja/python-text.ts'
import { checkClip } from './check-clip.ts'
import { checkPicture, type PictureDepth } from './check-picture.ts'
import type { Dataset } from './dataset.ts'
import { placesIn } from './media-places.ts'
import { faultReasonOf, RecordFault, type FaultReason } from './record-fault.ts'
import {
  modalityOf,
  preferenceTurns,
  type DataRecord,
  type Modality,
  type PreferenceRecord,
  type RecordTurn,
} from './record.ts'

/** How long a record is. Throws RecordFault, or InputError of the room that finds the mask wrong. */
export type TokenRule = (
  record: AnyRecord,
  sizes: readonly ImageSize[],
) => TokenCounts | Promise<TokenCounts>

export type RecordRules = {
  /** Default `either`. */
  readonly kind?: 'conversation' | 'preference' | 'either'
  /** Whether pictures and clips are looked at. Default `header`. */
  readonly pictures?: PictureDepth | 'none'
  /** Without it no tokens are counted. */
  readonly tokens?: TokenRule | undefined
  /** Most tokens of a conversation, rows of pictures included. */
  readonly maxLength?: number
}

/** Of a preference record: of both answers together, but for `longest`. */
export type TokenCounts = {
  /** Positions in the decoder: text and media. */
  readonly total: number
  /** Of the longest conversation. */
  readonly longest: number
  readonly media: number
  /** Positions with a label. */
  readonly learnt: number
}

export type RecordFacts = {
  readonly modality: Modality
  readonly words: number
  /** null without a token rule. */
  readonly tokens: TokenCounts | null
  /** Of its pictures; empty where they were not looked at. */
  readonly sizes: readonly ImageSize[]
}

export type Verdict =
  | { readonly isUsable: true; readonly facts: RecordFacts }
  | { readonly isUsable: false; readonly reason: FaultReason; readonly message: string }

/** Reads a record and checks it. What is not about the record (no such number, a bug) is thrown. */
export function checkRecord(
  dataset: Readers,
  index: number,
  rules: RecordRules = {},
): Promise<Verdict> {
  return verdictOf(async () =>
    measureRecord(await READERS[rules.kind ?? 'either'](dataset, index), rules),
  )
}

/** What `measure` says of a record, or the reason that it throws. */
export async function verdictOf(measure: () => Promise<RecordFacts>): Promise<Verdict> {
  try {
    return { isUsable: true, facts: await measure() }
  } catch (error) {
    const reason = faultReasonOf(error)
    if (reason === null || !(error instanceof InputError)) throw error
    return { isUsable: false, reason, message: error.message }
  }
}

export type AnyRecord = DataRecord | PreferenceRecord
type Readers = Pick<Dataset, 'read' | 'readPreference' | 'readEither'>

const READERS: Readonly<
  Record<NonNullable<RecordRules['kind']>, (dataset: Readers, index: number) => Promise<AnyRecord>>
> = {
  conversation: (dataset, index) => dataset.read(index),
  preference: (dataset, index) => dataset.readPreference(index),
  either: (dataset, index) => dataset.readEither(index),
}

/** The same of a record that was read already. Throws RecordFault, or an InputError of the room that found the fault. */
export async function measureRecord(
  record: AnyRecord,
  rules: RecordRules = {},
): Promise<RecordFacts> {
  const conversations = conversationsOf(record)
  for (const turns of conversations) {
    checkOrder(turns)
    checkPlaces(turns, record)
  }
  const sizes = await checkMedia(record, rules)
  const tokens = (await rules.tokens?.(record, sizes)) ?? null
  if (tokens && tokens.longest > (rules.maxLength ?? Infinity)) {
    throw tooLong(tokens.longest, rules.maxLength as number)
  }
  return { modality: modalityOf(record), words: wordCount(record), tokens, sizes }
}

/** A conversation with its answers; of a preference record two. */
export function conversationsOf(record: AnyRecord): (readonly RecordTurn[])[] {
  if ('turns' in record) return [record.turns]
  const { chosen, rejected } = preferenceTurns(record)
  return [chosen, rejected]
}

/** An answer before the first question is allowed, since the original leaves it out. */
function checkOrder(turns: readonly RecordTurn[]): void {
  const asked = turns[0]?.from === 'gpt' ? turns.slice(1) : turns
  const stray = asked.findIndex(({ from }, i) => from !== (i % 2 === 0 ? 'human' : 'gpt'))
  if (stray >= 0) {
    throw new RecordFault(
      'order',
      `turns: question and answer should take turns, turn ${stray + 1 + turns.length - asked.length} is out of order; join turns of one speaker or leave the record out.`,
    )
  }
  if (asked.length > 0 && asked.length % 2 === 0) return
  throw new RecordFault(
    'order',
    'turns: the last question should have an answer, it has none; cut it off or leave the record out.',
  )
}

function checkPlaces(turns: readonly RecordTurn[], { images, videos }: AnyRecord): void {
  const places = placesIn(turns)
  const media = images.length + videos.length
  if (places === media) return
  throw placesFault(places, media)
}

export function placesFault(places: number, media: number): RecordFault {
  return new RecordFault(
    'places',
    `turns: one <image> for each picture was expected, there are ${places} for ${media}; mend the text or leave the record out.`,
  )
}

async function checkMedia(
  { images, videos }: AnyRecord,
  { pictures = 'header' }: RecordRules,
): Promise<ImageSize[]> {
  if (pictures === 'none') return []
  await Promise.all(videos.map((clip) => checkClip(clip, pictures)))
  return Promise.all(images.map((picture) => checkPicture(picture, pictures)))
}

function tooLong(total: number, maxLength: number): RecordFault {
  return new RecordFault(
    'too-long',
    `record: at most ${maxLength} tokens were expected, it has ${total}; shorten its text, pictures are never cut.`,
  )
}

const WORD = new RegExp(`[^${SPACE}]+`, 'g')

/**
 * Words of all turns as Python's `str.split` finds them: the length that the original groups by. Of a preference record
 * its question and both answers; the original adds those of a third one, which nothing learns.
 */
export function wordCount(record: AnyRecord): number {
  const texts =
    'turns' in record
      ? record.turns.map(({ value }) => value)
      : [record.prompt, record.chosen, record.rejected]
  return texts.reduce((sum, text) => sum + (text.match(WORD)?.length ?? 0), 0)
}

/**
 * Which of a packed row's pictures and clips each of its sequences has.
 *
 *   sequences    t t P P P t | t C C t | t t t | t P P P
 *   pictures     0             │         │       1        │ of 2
 *   clips                      0         │       │        │ of 1
 *
 * A row lists its pictures and its clips, each in order, and not whose they are: a sequence has the next ones whose rows fill
 * its places.
 */
import { InputError } from '../core/errors.ts'

/** So many pictures and clips, counted from the row's first. */
export type MediaCounts = { readonly pictures: number; readonly clips: number }

/** Half-open ranges of a row's pictures and clips. */
export type MediaRange = { readonly from: MediaCounts; readonly to: MediaCounts }

type Way = { readonly ranges: readonly MediaRange[]; readonly ways: number }

/**
 * The range of each sequence, so that `fills` holds for all of them and nothing is left.
 *
 * Throws InputError where there is no such way, or more than one.
 */
export function shareMedia(
  all: MediaCounts,
  {
    sequences,
    fills,
    where,
  }: {
    readonly sequences: number
    readonly fills: (sequence: number, range: MediaRange) => boolean
    readonly where: string
  },
): readonly MediaRange[] {
  let reached = new Map<string, Way>([[keyOf(NONE), { ranges: [], ways: 1 }]])
  for (let sequence = 0; sequence < sequences; sequence++) {
    const next = new Map<string, Way>()
    for (const { ranges, ways } of reached.values()) {
      for (const range of rangesFrom(ranges.at(-1)?.to ?? NONE, all)) {
        if (!fills(sequence, range)) continue
        const key = keyOf(range.to)
        next.set(key, { ranges: [...ranges, range], ways: ways + (next.get(key)?.ways ?? 0) })
      }
    }
    reached = next
  }
  const found = reached.get(keyOf(all))
  if (found?.ways === 1) return found.ranges
  throw unshared(where, { all, sequences, ways: found?.ways ?? 0 })
}

const NONE: MediaCounts = { pictures: 0, clips: 0 }

function keyOf({ pictures, clips }: MediaCounts): string {
  return `${pictures},${clips}`
}

function* rangesFrom(from: MediaCounts, all: MediaCounts): Generator<MediaRange> {
  for (let { pictures } = from; pictures <= all.pictures; pictures++) {
    for (let { clips } = from; clips <= all.clips; clips++) yield { from, to: { pictures, clips } }
  }
}

function unshared(
  where: string,
  { all, sequences, ways }: { all: MediaCounts; sequences: number; ways: number },
): InputError {
  const media = `its pictures (${all.pictures}) and clips (${all.clips})`
  if (ways === 0) {
    return new InputError(
      'INPUT_IMAGE_COUNT',
      `${where}: the places of its ${sequences} sequences should be filled by ${media} in order, and are by no way of sharing them; repeat the placeholder as often as the token accounting says, in each sequence as if it were alone.`,
    )
  }
  return new InputError(
    'INPUT_IMAGE_COUNT',
    `${where}: the places of its ${sequences} sequences should be filled by ${media} in one way, and are by several, since a picture and a clip have as many rows; pack sequences with pictures and those with clips into rows of their own.`,
  )
}

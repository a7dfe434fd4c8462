/** A record's first question with the pictures or clips that stand in it, and the answer that is expected. */
import type { DataRecord, RecordTurn } from '../data/record.ts'
import { placesIn } from '../data/media-places.ts'
import type { RecordMedia } from './prepare-media.ts'

export type FirstQuestion = {
  readonly question: RecordTurn
  readonly media: RecordMedia
  readonly expected: string
}

/** Of a record in order: an answer before the question is passed over, as labels leave it out. */
export function firstQuestion({ turns, images, videos }: DataRecord): FirstQuestion {
  const place = turns.findIndex(({ from }) => from === 'human')
  const question = turns[place] as RecordTurn
  const first = placesIn(turns.slice(0, place))
  const end = first + placesIn([question])
  return {
    question,
    media: { images: images.slice(first, end), videos: videos.slice(first, end) },
    expected: turns[place + 1]?.value ?? '',
  }
}

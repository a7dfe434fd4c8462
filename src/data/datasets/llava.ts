/**
 * Conversations in LLaVA's own format: LLaVA-Instruct, the 665K mixture, LLaVA-NeXT-Data, M4-Instruct, OneVision.
 *
 * {"id": "000000033471", "image": "coco/train2017/000000033471.jpg", "conversations": [{"from": "human", "value": "<image>\nWhat are
 * the colors of the bus in the image?"}, {"from": "gpt", "value": "The bus in the image is white and red."}]}
 *
 * `image` and `video` are a path or `{ bytes, path }`, a list of them, or absent; other fields are ignored, but for our own `regions`:
 * [{"at": [0.25, 0.7], "says": "red star"}], what is to be seen where in the picture, by which `stage: words` learns.
 * Papers: arXiv:2304.08485, arXiv:2310.03744. Example and addresses: huggingface.co/datasets/liuhaotian/LLaVA-Instruct-150K
 * (CC BY 4.0), lmms-lab/LLaVA-NeXT-Data (Parquet).
 */
import type { RecordTurn, Region } from '../record.ts'
import {
  describe,
  idOf,
  imagesOf,
  isRow,
  originOf,
  structureFault,
  textOf,
  videosOf,
  type RowFormat,
} from '../row-format.ts'

export const llava: RowFormat = {
  name: 'llava',
  about: 'conversations: [{ from, value }] with image, images or video',
  matches: (row) => 'conversations' in row,
  read(row, where) {
    const [images, videos] = [imagesOf(row, where), videosOf(row, where)]
    const { conversations } = row
    if (!Array.isArray(conversations) || conversations.length === 0) {
      throw structureFault(
        where,
        `conversations should be a list of turns, ${describe(conversations)} came`,
      )
    }
    const place = videos.length > 0 ? '<video>' : null
    const turns = conversations.map((turn: unknown, i) =>
      turnOf(turn, place, `${where}: turn ${i + 1}`),
    )
    const media = [...images, ...videos]
    const content = { id: idOf(row), origin: originOf(row, media), images, videos, turns }
    const regions = regionsOf(row['regions'], where)
    return regions === undefined ? content : { ...content, regions }
  },
}

const SPEAKERS: Readonly<Record<string, RecordTurn['from']>> = {
  human: 'human',
  user: 'human',
  gpt: 'gpt',
  assistant: 'gpt',
}

function regionsOf(value: unknown, where: string): readonly Region[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) {
    throw structureFault(where, `regions should be a list, ${describe(value)} came`)
  }
  return value.map((region: unknown, i) => {
    const [at, says] = isRow(region) ? [region['at'], region['says']] : [undefined, undefined]
    const isInside = (part: unknown) => typeof part === 'number' && part >= 0 && part <= 1
    if (Array.isArray(at) && at.length === 2 && at.every(isInside) && typeof says === 'string') {
      return { at: [at[0] as number, at[1] as number], says }
    }
    throw structureFault(
      `${where}: region ${i + 1}`,
      '{ at: [x, y], says } with x and y from 0 to 1 should stand here',
    )
  })
}

/** Also `{ role, content }`, which LLaVA-NeXT's `preprocess_qwen` takes. `place` is read as `<image>`. */
function turnOf(turn: unknown, place: string | null, where: string): RecordTurn {
  if (!isRow(turn))
    throw structureFault(where, `{ from, value } should stand here, ${describe(turn)} came`)
  const speaker = textOf(turn['from'] ?? turn['role'], 'from', where)
  const from = Object.hasOwn(SPEAKERS, speaker) ? SPEAKERS[speaker] : undefined
  if (from === undefined) {
    throw structureFault(where, `from should be human or gpt, ${describe(speaker)} came`)
  }
  const value = textOf(turn['value'] ?? turn['content'], 'value', where)
  return { from, value: place === null ? value : value.replaceAll(place, '<image>') }
}

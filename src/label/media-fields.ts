/** Which fields of a manifest's or table's row say what is to be labelled. */
import { imagesOf, textOf, videosOf, type MediaReference, type Row } from '../data/row-format.ts'
import { RecordFault } from '../data/record-fault.ts'
import { mediaTypeOf, type MediaType } from './item.ts'

/** Names of a row's own name, the first that is there. */
export const ID_FIELDS = ['id', 'item_id', 'key', 'question_id', '__key__']
/** A file of either kind, as `imagefolder` and other tools call it. */
const FILE_FIELDS = ['file_name', 'path', 'file', 'url']

export type RowMedia = {
  readonly media: readonly { readonly type: MediaType; readonly reference: MediaReference }[]
  /** What is said about the media, or is itself to be labelled. */
  readonly text: string | null
}

/** Throws RecordFault for a row that names nothing, or nothing that can be read. */
export function mediaOf(row: Row, where: string): RowMedia {
  const images = imagesOf(withoutEmpty(row), where).map((reference) => ({
    type: typeof reference === 'string' ? (mediaTypeOf(reference) ?? 'image') : ('image' as const),
    reference,
  }))
  const videos = videosOf(withoutEmpty(row), where).map((reference) => ({
    type: 'video' as const,
    reference,
  }))
  const name = FILE_FIELDS.map((field) => row[field]).find(
    (value): value is string => typeof value === 'string' && value !== '',
  )
  const files =
    images.length + videos.length === 0 && name !== undefined
      ? [{ type: mediaTypeOf(name) ?? ('image' as const), reference: name }]
      : []
  const given = row['text']
  const text = given === undefined || given === null ? '' : textOf(given, 'text', where)
  const media = [...images, ...videos, ...files]
  if (media.length > 0 || text !== '') return { media, text: text === '' ? null : text }
  throw new RecordFault(
    'structure',
    `${where}: a row should have image, images, video, videos, file_name, path or text, it has ${Object.keys(row).slice(0, 8).join(', ') || 'nothing'}; name the column so.`,
  )
}

/** Tables without a value have an empty cell. */
function withoutEmpty(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== ''))
}

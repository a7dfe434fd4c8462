/**
 * What a data set holds: conversations about pictures and clips, or two answers to one question.
 *
 *   file ─ rows ─ row format ─▶ DataRecord | PreferenceRecord ─▶ labels, batches, checks
 *
 * A conversation is the one currency: trainer, benchmark and server all speak it. Every `<image>` in its questions is the
 * place of one picture, or of one clip, in the order of `images` or `videos`; `<video>` is read as `<image>`.
 * Source: the record format of haotian-liu/LLaVA at c121f04 (`docs/Finetune_Custom_Data.md`, `llava/train/train.py`) and of
 * LLaVA-VL/LLaVA-NeXT at df17966 (`llava/train/train.py`, `train_dpo.py`).
 */

/** One turn. Data sets that say `user` and `assistant` are read as `human` and `gpt`. */
export type RecordTurn = { readonly from: 'human' | 'gpt'; readonly value: string }

/** A file by its absolute path, or the bytes of one that lies inside a Parquet file. */
export type Picture = string | Uint8Array

/** The absolute path of a film or of a folder of frames, or the bytes of a film that lies inside a Parquet file. */
export type RecordClip = string | Uint8Array

type Media = {
  /** As the file says; the row's number where it says nothing. */
  readonly id: string
  /** Name of the source (one entry of a mixture) that the record lies in. */
  readonly source: string
  /** Which set the row itself says it came from: `data_source`, else the first folder of its picture's path. */
  readonly origin: string | null
  readonly images: readonly Picture[]
  /** A record has pictures or clips, never both. */
  readonly videos: readonly RecordClip[]
}

/** A place in a picture and what is there. */
export type Region = {
  /** Parts of the width and of the height, from the left upper corner. */
  readonly at: readonly [x: number, y: number]
  readonly says: string
}

export type DataRecord = Media & {
  /** Question and answer, as the file has them: whether they alternate is checked by `checkRecord`. */
  readonly turns: readonly RecordTurn[]
  /** Of its one picture, for `stage: words`. */
  readonly regions?: readonly Region[]
}

/** Two answers to one question, the better one first: for `objective: { kind: 'dpo' }`. */
export type PreferenceRecord = Media & {
  /** `<image>`, a line end and the question; without pictures the question alone. */
  readonly prompt: string
  readonly chosen: string
  readonly rejected: string
}

export type Modality = 'text' | 'image' | 'images' | 'video'

export function modalityOf({ images, videos }: Pick<Media, 'images' | 'videos'>): Modality {
  if (videos.length > 0) return 'video'
  if (images.length === 0) return 'text'
  return images.length === 1 ? 'image' : 'images'
}

/** Both conversations of a preference record. */
export function preferenceTurns({ prompt, chosen, rejected }: PreferenceRecord): {
  readonly chosen: readonly RecordTurn[]
  readonly rejected: readonly RecordTurn[]
} {
  const answered = (value: string): readonly RecordTurn[] => [
    { from: 'human', value: prompt },
    { from: 'gpt', value },
  ]
  return { chosen: answered(chosen), rejected: answered(rejected) }
}

/** What a builder of the mini model's data is: one source of pictures, and the questions that can be asked about them. */
import type { Region } from '../record.ts'
import type { Lots } from './lots.ts'
import type { Replayed } from './replay.ts'
import type { Turn } from './turn.ts'

/** A picture that is a file of the assets (relative path), or one that is made (encoded bytes and their ending). */
export type Picture =
  | { readonly file: string }
  | { readonly bytes: Uint8Array; readonly extension: 'png' | 'jpg' }

export type Captioned = {
  readonly picture: Picture
  readonly caption: string
  /** What says most of the whole picture; default: the caption's telling words. */
  readonly words?: string
  readonly regions?: readonly Region[]
}

export type Conversation = {
  readonly pictures: readonly Picture[]
  /** The pictures are the frames of one clip. */
  readonly isClip?: boolean
  readonly turns: readonly Turn[]
  /** Forms are asked for; otherwise answers are sentences. */
  readonly isBrief: boolean
}

/** A held-out question. `turn.task` names the test file that it goes to. */
export type Question = {
  readonly pictures: readonly Picture[]
  readonly isClip?: boolean
  readonly turn: Turn
}

export type Counts = {
  readonly alignment: number
  readonly instruction: number
  /** Questions a task; a source with fewer gives what it has. */
  readonly test: number
}

export type BuildContext = {
  /** The folder of pictures, with the sub-folders `grocery`, `clothing`, … */
  readonly assets: string
  readonly lots: Lots
  readonly count: number
  /** Prompts that the language model has answered; none: nothing is replayed. */
  readonly replayed: readonly Replayed[]
}

export type Builder = {
  readonly name: string
  readonly about: string
  readonly counts: Counts
  /** The sub-folder of the assets that it needs. */
  readonly folder?: string
  /** Left out of the mixture `stage2.json`; its own file is written all the same. */
  readonly isSeparate?: boolean
  alignment?(context: BuildContext): AsyncIterable<Captioned>
  instruction?(context: BuildContext): AsyncIterable<Conversation>
  test?(context: BuildContext): AsyncIterable<Question>
}

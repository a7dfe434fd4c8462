/** What a run tells whoever started it. */
export type LabelHooks = {
  readonly onEvent?: (event: LabelEvent) => void
  readonly signal?: AbortSignal | undefined
}

export type LabelEvent =
  | LabelProgress
  /** A run that was begun before goes on. */
  | { readonly type: 'resumed'; readonly done: number; readonly failed: number }
  /** A folder of the input that may not be opened. */
  | { readonly type: 'left-out'; readonly path: string; readonly reason: string }
  /** An engine answers nothing any more; the others go on without it. */
  | { readonly type: 'engine-lost'; readonly engine: string; readonly reason: string }
  /** An engine has been asked so much, and has said nothing for so long; told again when it is twice as long. */
  | {
      readonly type: 'engine-silent'
      readonly engine: string
      readonly seconds: number
      readonly questions: number
    }
  /** Nothing is left but what others are at. */
  | { readonly type: 'waiting'; readonly items: number }
  | { readonly type: 'writing'; readonly rows: number }

export type LabelProgress = {
  readonly type: 'progress'
  /** Items that are known so far. */
  readonly items: number
  /** Whether there are no more. */
  readonly isListed: boolean
  /** Of them, by everybody: with or without errors. */
  readonly done: number
  /** Of those, with errors. */
  readonly failed: number
  readonly itemsPerSecond: number | null
  readonly secondsLeft: number | null
}

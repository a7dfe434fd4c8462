/** What the engine does at the moment and has done so far: what a server's metrics and a health check read. */
export type ServingStats = {
  /** Requests whose text and pictures are being prepared. */
  readonly preparing: number
  /** Sequences whose prompt is read or that are decoded. */
  readonly running: number
  /** Sequences that wait for a row. */
  readonly waiting: number
  /** Sequences that are decoded together at most. */
  readonly maxRows: number
  /** Positions of prompts and answers that are kept for requests that begin alike. */
  readonly cachedTokens: number
  /** Memory that keys and values fill: those of running sequences and those that are kept. */
  readonly kvBytes: number
  readonly kvBudgetBytes: number
  /** Memory of encoded pictures that are kept. */
  readonly pictureBytes: number
  readonly pictureBudgetBytes: number
  /** Since the model was loaded; these only grow. */
  readonly counters: ServingCounters
}

export type ServingCounters = {
  /** Sequences that came; each is finished, aborted or failed in the end. */
  readonly sequences: number
  readonly finished: number
  readonly aborted: number
  readonly failed: number
  /** Requests that found the queue full. */
  readonly refused: number
  /** Positions of prompts that were wanted, those of them that were kept from others, and those that were computed. */
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly prefilledTokens: number
  /** Tokens that were chosen, end tokens included. */
  readonly completionTokens: number
  /** Decode steps, and the rows of all of them: their quotient is the mean size of a batch. */
  readonly steps: number
  readonly steppedRows: number
  /** Runs over text that a form forced, and the tokens that needed no step of their own by them. */
  readonly jumps: number
  readonly jumpedTokens: number
  /** Positions that were kept and had to go. */
  readonly evictedTokens: number
  /** Rows that gave their place up for others and began again. */
  readonly preempted: number
  /** Rows over an int8 cache whose keys or values were too large for the model's scales: they share nothing with others. */
  readonly widened: number
  /** Pictures and frames that were wanted, those of them whose rows were kept or being made, and those that were decoded. */
  readonly pictures: number
  readonly cachedPictures: number
  readonly decodedPictures: number
}

export type MutableCounters = { -readonly [C in keyof ServingCounters]: number }

export function newCounters(): MutableCounters {
  return {
    sequences: 0,
    finished: 0,
    aborted: 0,
    failed: 0,
    refused: 0,
    promptTokens: 0,
    cachedTokens: 0,
    prefilledTokens: 0,
    completionTokens: 0,
    steps: 0,
    steppedRows: 0,
    jumps: 0,
    jumpedTokens: 0,
    evictedTokens: 0,
    preempted: 0,
    widened: 0,
    pictures: 0,
    cachedPictures: 0,
    decodedPictures: 0,
  }
}

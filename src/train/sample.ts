/** What a trainer is fed: sequences with their labels, and the pixels of their pictures. */

/** float32, row-major. */
export type PixelTensor = { readonly data: Float32Array; readonly shape: readonly number[] }

export type Sample = {
  /** The places of pictures and clips are already as long as their rows. */
  readonly inputIds: ArrayLike<number>
  /** One per position; −100 is not learnt. Position t is predicted from t − 1. */
  readonly labels: ArrayLike<number>
  /** [I, C, h, w]: the tiles of all its pictures in order, each picture's base tile first. */
  readonly pixelValues?: PixelTensor
  /** Sizes of the pictures before they were cut; left out where every tile is a picture. */
  readonly imageSizes?: readonly { readonly height: number; readonly width: number }[]
  /** [F, C, h, w] each. Where pictures and clips have one placeholder, those of a sequence come behind its pictures. */
  readonly videos?: readonly PixelTensor[]
  /**
   * Packed rows: which sequence each position belongs to. Positions restart with each, and its pictures are cut as those of
   * a prompt of its own.
   */
  readonly segments?: ArrayLike<number>
  /** What single rows of its picture should say, by their positions: for the objective `words`. */
  readonly says?: readonly { readonly position: number; readonly ids: readonly number[] }[]
}

/** Two answers to one question, the better one first. */
export type PreferencePair = { readonly chosen: Sample; readonly rejected: Sample }

/** The label of positions that are not learnt. */
export const IGNORE_INDEX = -100

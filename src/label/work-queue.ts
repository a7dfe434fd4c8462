/**
 * The work of one run, on a database that several processes and machines share: items go from open to leased to done or
 * failed, and nothing else knows how far the run is. An answer is written in the same statement that makes its item
 * done, and only by whoever has the item at that moment: so whatever is killed whenever, none is lost and none is doubled.
 *
 * A lease ends by itself when its holder no longer says that it lives; then the item is open again.
 */
import type { ItemSource, LabelItem } from './item.ts'
import type { ItemResult } from './item-result.ts'

export type ClaimedItem = Pick<LabelItem, 'place' | 'id'> & {
  readonly source: ItemSource
  /** How often an engine failed it. */
  readonly faults: number
  /** Of a run before this one; prompts that failed then are asked again. */
  readonly before: ItemResult | null
}

export type QueueCounts = {
  readonly items: number
  readonly done: number
  readonly failed: number
  /** Leased by anybody. */
  readonly leased: number
}

export type WorkQueue = {
  /**
   * Whether all items are in it. Throws InputError where another command has begun the run anew, as all do that would
   * otherwise add to the other's run, read of it, or take its beginning for the end of their own.
   */
  isListed(): Promise<boolean>
  /** Whether the caller is to list them; one does at a time. */
  takeListing(): Promise<boolean>
  /** Takes each item once, however often it comes. Throws InputError where two have one id. */
  add(items: readonly LabelItem[]): Promise<number>
  /** Files that are none of our business are counted, for the report. */
  endListing(skipped: number): Promise<void>
  skipped(): Promise<number>

  /** Up to so many open items, which are the caller's until it gives them back. */
  claim(most: number): Promise<ClaimedItem[]>
  /** Writes results down. Returns how many were still the caller's to write. */
  complete(results: readonly { place: string; result: ItemResult }[]): Promise<number>
  /** Opens items again; where an engine failed them, with one fault more. */
  release(places: readonly string[], options: { readonly isFault: boolean }): Promise<void>
  /** Says that the caller lives. */
  heartbeat(): Promise<void>
  /** Opens items whose holders are gone. */
  reclaim(): Promise<void>

  counts(): Promise<QueueCounts>
  /** What is not done: quick where that is little. */
  left(): Promise<{ readonly open: number; readonly leased: number }>
  /** The places of failed items are asked again, and what has come into the input since is listed. */
  reopen(): Promise<void>
  /** Done and failed items in the order of the input. */
  results(): AsyncGenerator<{ readonly id: string; readonly result: ItemResult }>
  /** Gives everything back that the caller holds. */
  close(): Promise<void>
}

/** What a run is: two that differ in it do not share a queue. */
export type RunRecipe = Readonly<Record<string, unknown>> & { readonly models: readonly string[] }

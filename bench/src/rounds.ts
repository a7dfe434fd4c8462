/** Alternating rounds: every contender once per round, so that a drifting machine drifts for all of them. */

export type Contender = {
  readonly label: string
  /** One sample; `round` is 0 for the warm-up, then 1, 2, … */
  sample(round: number): Promise<number>
}

export type Measurement = { readonly samples: readonly number[] }

/** Samples of each contender by label, the warm-up left out. The one that starts changes from round to round. */
export async function alternate(
  contenders: readonly Contender[],
  rounds: number,
): Promise<Map<string, Measurement>> {
  const samples = new Map<string, number[]>(contenders.map(({ label }) => [label, []]))
  for (let round = 1; round <= rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const { label, sample } = contenders[(i + round) % contenders.length] as Contender
      samples.get(label)?.push(await sample(round))
    }
  }
  return new Map([...samples].map(([label, values]) => [label, { samples: values }]))
}

/** Slower than the fastest of its kind by this factor in the warm-up: it does not take part in the rounds. */
const HOPELESS = 1.3

/** Runs each once and keeps those that may be the fastest. */
export async function warmUp(contenders: readonly Contender[]): Promise<Contender[]> {
  const times: number[] = []
  for (const { sample } of contenders) times.push(await sample(0))
  const best = Math.min(...times)
  return contenders.filter((_, i) => (times[i] as number) <= best * HOPELESS)
}

export function median({ samples }: Measurement): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2
}

export function range({ samples }: Measurement): readonly [number, number] {
  return [Math.min(...samples), Math.max(...samples)]
}

/** Round by round, how many times the second goes into the first. */
export function ratio(first: Measurement, second: Measurement): Measurement {
  return { samples: first.samples.map((value, i) => value / (second.samples[i] as number)) }
}

/**
 * What the server's memory did: phases of equal length, the first of them a warm-up that counts for nothing.
 *
 * Caches have budgets and fill them first, V8 and malloc learn what is needed; after that the medians of the phases may
 * differ by a twentieth. Of a single sample nothing is said: one large body is more than that.
 */
export type MemorySample = {
  /** In seconds since the beginning. */
  readonly at: number
  readonly bytes: number
  readonly threads: number
  /** The parts that the server tells of itself, in bytes. */
  readonly parts: Readonly<Record<string, number>>
}

export type MemoryPhase = {
  readonly from: number
  readonly to: number
  readonly samples: number
  /** Medians. */
  readonly bytes: number
  readonly threads: number
  readonly parts: Readonly<Record<string, number>>
  /** The least that was seen, after collections of garbage: medians are mostly garbage, what grows here is kept. */
  readonly lowest: { readonly bytes: number; readonly parts: Readonly<Record<string, number>> }
}

export type MemoryVerdict = {
  readonly warmUpSeconds: number
  readonly phases: readonly MemoryPhase[]
  /** Of the last phase to the first after the warm-up; null: too short to be said. */
  readonly growth: number | null
  readonly isFlat: boolean
}

/** Of long runs ten minutes, of shorter ones a third. */
export const warmUpOf = (seconds: number) => Math.min(600, seconds / 3)
const PHASES = 5
const MOST_GROWTH = 0.05
const FEWEST_SAMPLES = 10

export function judgeMemory(samples: readonly MemorySample[], seconds: number): MemoryVerdict {
  const warmUpSeconds = warmUpOf(seconds)
  const length = (seconds - warmUpSeconds) / PHASES
  const bounds = [0, ...Array.from({ length: PHASES + 1 }, (_, i) => warmUpSeconds + i * length)]
  const phases = bounds.slice(1).map((to, i) => phaseOf(samples, bounds[i] as number, to))
  const [first, last] = [phases[1], phases.at(-1)]
  const isLong = [first, last].every((phase) => phase && phase.samples >= FEWEST_SAMPLES)
  const growth = isLong && first && last ? last.bytes / first.bytes - 1 : null
  return { warmUpSeconds, phases, growth, isFlat: growth === null || growth <= MOST_GROWTH }
}

function phaseOf(all: readonly MemorySample[], from: number, to: number): MemoryPhase {
  const samples = all.filter(({ at }) => at >= from && at < to)
  const names = [...new Set(samples.flatMap(({ parts }) => Object.keys(parts)))]
  const ofParts = (statistic: (values: readonly number[]) => number) =>
    Object.fromEntries(
      names.map((name) => [name, statistic(samples.flatMap(({ parts }) => parts[name] ?? []))]),
    )
  const bytes = samples.map((sample) => sample.bytes)
  return {
    from,
    to,
    samples: samples.length,
    bytes: median(bytes),
    threads: median(samples.map(({ threads }) => threads)),
    parts: ofParts(median),
    lowest: { bytes: least(bytes), parts: ofParts(least) },
  }
}

export function memoryLines({ warmUpSeconds, phases, growth }: MemoryVerdict): string[] {
  const names = [...new Set(phases.flatMap(({ parts }) => Object.keys(parts)))]
  const mb = (bytes = 0) => (bytes / 1e6).toFixed(0).padStart(6)
  const rows = phases.map(({ from, to, bytes, threads, parts }, i) =>
    [
      `${i === 0 ? 'warm-up' : `phase ${i}`}`.padEnd(8),
      `${from.toFixed(0)}–${to.toFixed(0)} s`.padEnd(13),
      mb(bytes),
      String(threads).padStart(8),
      ...names.map((name) => mb(parts[name]).padStart(name.length + 1)),
    ].join(' '),
  )
  const lows = phases.map(({ lowest }, i) =>
    [
      `${i === 0 ? 'warm-up' : `phase ${i}`}, lowest`.padEnd(22),
      mb(lowest.bytes),
      ' '.repeat(8),
      ...names.map((name) => mb(lowest.parts[name]).padStart(name.length + 1)),
    ].join(' '),
  )
  const told = growth === null ? 'the run was too short to say' : `${(100 * growth).toFixed(1)} %`
  return [
    `memory in MB, medians of each phase (RssAnon; then what the server tells), warm-up ${warmUpSeconds.toFixed(0)} s`,
    ['phase'.padEnd(8), 'time'.padEnd(13), '   all', ' threads', ...names.map((n) => ` ${n}`)].join(
      ' ',
    ),
    ...rows,
    ...lows,
    `from phase 1 to phase ${phases.length - 1}: ${told}`,
  ]
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), values[0] ?? 0)
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

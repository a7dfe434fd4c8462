/**
 * What the processor can do, from what the operating system says about it, and how many threads pay off.
 *
 * Linux lists every feature in /proc/cpuinfo. Elsewhere nothing is readable without native code: Apple Silicon is
 * known to have NEON with dot products, an x64 processor on Windows counts as one without VNNI. That is the safe
 * side (int8 is then lowered so that it cannot saturate), and the check of int8 products at start has the last word.
 */
export type CpuFeatures = {
  /** Threads that run at full speed: physical cores, less if the process may use fewer. */
  readonly cores: number
  /** u8 × s8 products accumulate in 32 bits (AVX512-VNNI or AVX-VNNI): int8 cannot saturate. */
  readonly vnni: boolean
  readonly avx512: boolean
  readonly amx: boolean
  /** ARM's vector unit. */
  readonly neon: boolean
  readonly model: string
}

export type CpuReport = {
  /** Node's name of the architecture: `x64`, `arm64`. */
  readonly arch: string
  /** Processors that the scheduler may give to this process. */
  readonly parallelism: number
  /** The processor's name as the operating system has it. */
  readonly model: string
  /** The text of /proc/cpuinfo, where it exists. */
  readonly cpuinfo?: string | undefined
  /** The text of the control group's cpu.max (`200000 100000`: two processors), where it exists. */
  readonly cpuMax?: string | undefined
}

export function parseCpuFeatures(report: CpuReport): CpuFeatures {
  const cpuinfo = report.cpuinfo ?? ''
  const flags = new Set(field(cpuinfo, 'flags|Features')?.split(/\s+/))
  return {
    cores: Math.max(1, Math.min(report.parallelism, physicalCores(cpuinfo), quota(report.cpuMax))),
    vnni: flags.has('avx512_vnni') || flags.has('avx_vnni'),
    avx512: flags.has('avx512f') && flags.has('avx512bw') && flags.has('avx512vl'),
    amx: flags.has('amx_int8'),
    neon: report.arch === 'arm64',
    model: field(cpuinfo, 'model name') ?? report.model,
  }
}

/** Hyper-threads share one vector unit, so two on a core gain nothing. Infinity where it cannot be told. */
function physicalCores(cpuinfo: string): number {
  const cores = new Set<string>()
  for (const processor of cpuinfo.split(/\n\s*\n/)) {
    const core = field(processor, 'core id')
    if (core !== undefined) cores.add(`${field(processor, 'physical id') ?? 0}/${core}`)
  }
  return cores.size > 0 ? cores.size : Infinity
}

/** Processors that a container may use at once, rounded down: a thread over the quota stalls all. */
function quota(cpuMax: string | undefined): number {
  const [limit, period] = (cpuMax ?? 'max').trim().split(/\s+/).map(Number)
  if (limit === undefined || period === undefined || !(limit > 0 && period > 0)) return Infinity
  return Math.max(1, Math.floor(limit / period))
}

function field(text: string, name: string): string | undefined {
  return new RegExp(`^(?:${name})[ \\t]*:[ \\t]*(.*)$`, 'm').exec(text)?.[1]?.trim()
}

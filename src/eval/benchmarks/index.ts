/** Every benchmark that can be scored. A new one is a file and a line. */
import type { Benchmark } from '../benchmark.ts'
import { ai2d } from './ai2d.ts'
import { chartqa } from './chartqa.ts'
import { docvqa, infovqa } from './docvqa.ts'
import { gqa } from './gqa.ts'
import { llavaBench, llavaBenchCoco, llavaWilder } from './llava-bench.ts'
import { mathvista } from './mathvista.ts'
import { mmVet } from './mm-vet.ts'
import { mmbench, mmbenchCn } from './mmbench.ts'
import { mme } from './mme.ts'
import { mmmu } from './mmmu.ts'
import { pope } from './pope.ts'
import { realWorldQa } from './realworldqa.ts'
import { scienceQa } from './science-qa.ts'
import { seedBench } from './seed-bench.ts'
import { textvqa, textvqaNoOcr } from './textvqa.ts'
import { vizwiz } from './vizwiz.ts'
import { vqav2 } from './vqav2.ts'

export const BENCHMARKS: readonly Benchmark[] = [
  vqav2,
  gqa,
  vizwiz,
  scienceQa,
  textvqa,
  textvqaNoOcr,
  pope,
  mme,
  mmbench,
  mmbenchCn,
  seedBench,
  llavaBench,
  llavaBenchCoco,
  llavaWilder,
  mmVet,
  mmmu,
  mathvista,
  ai2d,
  chartqa,
  docvqa,
  infovqa,
  realWorldQa,
]

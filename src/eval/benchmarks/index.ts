/** Every benchmark that can be scored. A new one is a file and a line. */
import type { Benchmark } from '../benchmark.ts'
import { ai2d } from './ai2d.ts'
import { chair } from './chair.ts'
import { chartqa } from './chartqa.ts'
import { docvqa, infovqa } from './docvqa.ts'
import { gqa } from './gqa.ts'
import { houndQa } from './hound-qa.ts'
import { llavaBench, llavaBenchCoco, llavaWilder } from './llava-bench.ts'
import { mathvista } from './mathvista.ts'
import { mmVet } from './mm-vet.ts'
import { mmbench, mmbenchCn } from './mmbench.ts'
import { mme } from './mme.ts'
import { mmlu, mmlu5 } from './mmlu.ts'
import { mmmu } from './mmmu.ts'
import { mvbench } from './mvbench.ts'
import { nextqaMc, nextqaOe } from './nextqa.ts'
import { pope } from './pope.ts'
import { realWorldQa } from './realworldqa.ts'
import { scienceQa } from './science-qa.ts'
import { seedBench, seedImg } from './seed-bench.ts'
import { blink, mantisEval, nlvr2 } from './several-pictures.ts'
import { textvqa, textvqaNoOcr } from './textvqa.ts'
import { videoChatGpt } from './video-chatgpt.ts'
import { activityNetQa, videoDetail } from './video-judged.ts'
import { videoMme } from './video-mme.ts'
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
  seedImg,
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
  nextqaMc,
  nextqaOe,
  activityNetQa,
  videoChatGpt,
  videoDetail,
  houndQa,
  videoMme,
  mvbench,
  nlvr2,
  blink,
  mantisEval,
  mmlu,
  mmlu5,
  chair,
]

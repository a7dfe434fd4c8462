import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCpuFeatures } from './cpu-features.ts'

function processor(index: number, core: number, flags: string): string {
  return `processor\t: ${index}\nmodel name\t: Test CPU\nphysical id\t: 0\ncore id\t\t: ${core}\nflags\t\t: ${flags}\n`
}

test('two threads of one core count once', () => {
  const cpuinfo = [0, 1, 0, 1].map((core, i) => processor(i, core, 'fpu avx2')).join('\n')
  const features = parseCpuFeatures({ arch: 'x64', parallelism: 4, model: '', cpuinfo })
  assert.deepEqual(features, {
    cores: 2,
    vnni: false,
    avx512: false,
    amx: false,
    neon: false,
    model: 'Test CPU',
  })
})

test('features come from whole words of the flags', () => {
  const flags = 'avx512f avx512bw avx512vl avx512_vnni amx_int8 amx_tile'
  const x64 = { arch: 'x64', parallelism: 1, model: '' }
  const full = parseCpuFeatures({ ...x64, cpuinfo: processor(0, 0, flags) })
  assert.deepEqual([full.vnni, full.avx512, full.amx], [true, true, true])
  const client = parseCpuFeatures({ ...x64, cpuinfo: processor(0, 0, 'avx2 avx_vnni') })
  assert.deepEqual([client.vnni, client.avx512, client.amx], [true, false, false])
  const other = parseCpuFeatures({ ...x64, cpuinfo: processor(0, 0, 'avx_vnni_int8x') })
  assert.equal(other.vnni, false)
})

test('a quota of the control group bounds the threads, never below one', () => {
  const report = { arch: 'x64', parallelism: 16, model: '' }
  const cores = (cpuMax?: string) => parseCpuFeatures({ ...report, cpuMax }).cores
  assert.equal(cores('250000 100000\n'), 2)
  assert.equal(cores('50000 100000'), 1)
  assert.equal(cores('max 100000'), 16)
  assert.equal(cores(undefined), 16)
})

test('ARM has NEON; where nothing can be read the model is what the system says', () => {
  const features = parseCpuFeatures({ arch: 'arm64', parallelism: 8, model: 'Apple M3' })
  assert.deepEqual(features, {
    cores: 8,
    vnni: false,
    avx512: false,
    amx: false,
    neon: true,
    model: 'Apple M3',
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BENCHMARKS } from './index.ts'

const valuesOf = (name: string, metric: string, model: string, source = '') =>
  BENCHMARKS.find((one) => one.name === name)!
    .published.filter(
      (row) => row.metric === metric && row.model === model && row.source.includes(source),
    )
    .map(({ value }) => value)

// Whole columns were missing.
test('every column of the published tables is data', () => {
  const cells = [
    ['gqa', 'accuracy', 'llava-v1.5-hd-13b', 'MODEL_ZOO', 64.7],
    ['pope', 'F1 adversarial', 'llava-v1.5-hd-13b', '', 85],
    ['mme', 'perception', 'llava-v1.6-vicuna-13b', '2024-05-10', 1575.1],
    ['mme', 'cognition', 'llava-onevision-qwen2-72b-si', '', 563],
    ['mathvista', 'accuracy', 'llava-v1.5-13b', '2024-05-10', 26.7],
    ['chartqa', 'overall', 'gpt-4v', '', 78.5],
    ['docvqa', 'overall test', 'llava-onevision-qwen2-7b', '', 87.5],
    ['infovqa', 'overall', 'llava-onevision-qwen2-0.5b-si', '', 44.8],
    ['llava-wilder', 'all of medium', 'llava-next-72b', 'gpt-4-vision-preview', 73.4],
    ['nextqa-oe', 'WUPS@0', 'llava-next-image-7b', '1 frame', 26],
    ['video-chatgpt', 'temporal', 'llava-next-image-34b', 'length 8192', 2.51],
    ['video-chatgpt', 'context', 'llava-interleave-qwen-14b', '', 3.98],
    ['activitynet-qa', 'score', 'video-chatgpt-7b', 'gpt-3.5-turbo-0613', 2.7],
    ['video-mme', 'overall with subtitles', 'llava-onevision-qwen2-72b', '', 69.5],
    ['mvbench', 'overall', 'llava-interleave-qwen-7b-dpo', '', 52.3],
    ['video-detail', 'score', 'llava-onevision-qwen2-72b-chat', '', 3.86],
    ['llava-bench', 'llava_bench_complex', 'bard-0718', '', 78.7],
    ['llava-bench-coco', 'all', 'llava-13b-v1 (conversation)', '', 73.8],
    ['scienceqa', 'accuracy', 'gpt-4', '', 82.69],
    [
      'hound-qa',
      'accuracy (yes/no)',
      'llava-hound-dpo',
      'mean of MSVD, MSRVTT and TGIF, judge gpt-3.5-turbo-0301',
      82.03,
    ],
    ['hound-qa', 'score (yes/no)', 'llava-hound-sft', 'TGIF, judge gpt-3.5-turbo-1106', 3.53],
  ] as const
  for (const [name, metric, model, source, value] of cells)
    assert.deepEqual(valuesOf(name, metric, model, source), [value], `${name} ${metric} ${model}`)
})

test('a model has one number of a metric in one source under one condition', () => {
  for (const { name, published } of BENCHMARKS) {
    const rows = published.map(({ model, metric, source }) => [model, metric, source].join('\n'))
    assert.equal(new Set(rows).size, rows.length, name)
    assert.ok(
      published.every(({ value }) => Number.isFinite(value)),
      name,
    )
  }
})

/**
 * Token accounting and AnyRes geometry against the original repositories and transformers.
 *
 * LLAVA_FIXTURES names a folder with `original/sizes.json` and `inference/sizes.json`; without it the small set in
 * `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  countImageTokens,
  fitOnCanvas,
  imageTokenConfig,
  parsePatchMerge,
  parsePinpoints,
  selectBestResolution,
} from '../../src/preprocess/index.ts'
import { parseMaxTiles } from '../../src/preprocess/parse-image-processor.ts'

const FOLDER = process.env['LLAVA_FIXTURES'] ?? 'fixtures'

type OriginalConfig = {
  image_size: number
  patch_size: number
  merge: string
  aspect: string
  pinpoints: unknown
  rows: number[][]
}
type Original = Record<string, { columns: string[]; configs: Record<string, OriginalConfig> }>
type Hf = Record<
  string,
  { side: number; grid: number; image_grid_pinpoints: string; columns: string; rows: number[][] }
>

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as T
}

describe('token counts and geometry equal the original repositories', () => {
  for (const [repository, { columns, configs }] of Object.entries(
    read<Original>('original/sizes.json'),
  )) {
    for (const [name, recorded] of Object.entries(configs)) {
      test(`${repository} ${name}`, () => {
        const side = recorded.image_size
        const pinpoints = parsePinpoints(recorded.pinpoints, side, 'original')
        const config = imageTokenConfig({
          tile: { width: side, height: side },
          patchSize: recorded.patch_size,
          tiling: {
            kind: 'anyres',
            pinpoints,
            maxTiles: parseMaxTiles(recorded.aspect)!,
            base: 'squash',
          },
          merge: parsePatchMerge(recorded.merge),
          rounding: 'original',
        })
        for (const row of recorded.rows) {
          const [width, height] = row as [number, number]
          const counted = countImageTokens({ width, height }, config)
          const { map, grid, plan } = counted
          const { picture } = plan.canvas!
          const computed: Record<string, number> = {
            width,
            height,
            best_width: plan.canvas!.width,
            best_height: plan.canvas!.height,
            grid_width: grid.width,
            grid_height: grid.height,
            resized_width: picture.width,
            resized_height: picture.height,
            paste_x: picture.left,
            paste_y: picture.top,
            map_width: map!.kept.width,
            map_height: map!.kept.height,
            pooled_width: map!.size.width,
            pooled_height: map!.size.height,
            tokens: counted.tokens,
          }
          assert.deepEqual(
            columns.map((column) => computed[column]),
            row,
          )
        }
      })
    }
  }
})

describe('token counts and geometry equal transformers', () => {
  for (const [name, recorded] of Object.entries(read<Hf>('inference/sizes.json'))) {
    test(name, () => {
      const pairs = recorded.image_grid_pinpoints
        .split(', ')
        .map((pair) => pair.split('x').map(Number))
      const pinpoints = parsePinpoints(pairs, recorded.side, 'hf')
      const config = imageTokenConfig({
        tile: { width: recorded.side, height: recorded.side },
        patchSize: Math.floor(recorded.side / recorded.grid),
        tiling: {
          kind: 'anyres',
          pinpoints,
          maxTiles: name === 'onevision' ? 9 : null,
          base: 'squash',
        },
        merge: parsePatchMerge('spatial_unpad'),
        rounding: 'hf',
      })
      for (const row of recorded.rows) {
        const [width, height] = row as [number, number]
        const size = { width, height }
        const counted = countImageTokens(size, config)
        const best = selectBestResolution(size, pinpoints)
        const resized = fitOnCanvas(size, best)
        const computed: Record<string, number> = {
          width,
          height,
          best_height: best.height,
          best_width: best.width,
          resized_height: resized.height,
          resized_width: resized.width,
          map_height: counted.map!.kept.height,
          map_width: counted.map!.kept.width,
          pooled_height: counted.map!.size.height,
          pooled_width: counted.map!.size.width,
          tokens: counted.tokens,
        }
        assert.deepEqual(
          recorded.columns.split(' ').map((column) => computed[column]),
          row,
        )
      }
    })
  }
})

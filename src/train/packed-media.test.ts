/** Pictures and clips of packed rows: each sequence has its own, cut as if it were alone. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { elementCount } from '../core/shape.ts'
import type { ModelConfig } from '../families/family.ts'
import { countImageTokens } from '../preprocess/image-tokens.ts'
import { countVideoTokens } from '../preprocess/video-tokens.ts'
import { createTrainer, type Sample } from './index.ts'
import type { PixelTensor } from './sample.ts'

const ORIGINAL = join('fixtures', 'original', 'checkpoints')
const NEXT_VIDEO = join(ORIGINAL, 'llava-next-video')
const ONEVISION = join('fixtures', 'training', 'models', 'llava-onevision')
const CLIP = { visionTower: join(ORIGINAL, 'tower-clip-vit-large-patch14-336') }

/** Sums of float32 in another order. */
const SAME = 2e-6

type Media = {
  readonly pictures?: readonly (readonly [number, number])[]
  readonly clips?: number[]
}

/** A sequence with pictures of these widths and heights, or clips of so many frames. */
function sequence(config: ModelConfig, { pictures = [], clips = [] }: Media, seed: number): Sample {
  const rng = new Rng(seed)
  const side = config.vision!.imageSize
  const noise = (tiles: number): PixelTensor => {
    const shape = [tiles, 3, side, side]
    return {
      shape,
      data: Float32Array.from({ length: elementCount(shape) }, () => rng.uniform() - 0.5),
    }
  }
  const imageSizes = pictures.map(([width, height]) => ({ width, height }))
  const counted = imageSizes.map((size) =>
    countImageTokens(size, config.image!.tokens, { pictures: pictures.length }),
  )
  const tiles = counted.reduce((sum, one) => sum + one.tiles, 0)
  const places = [
    ...counted.map(({ tokens }) => [config.image!.placeholder, tokens] as const),
    ...clips.map(
      (frames) =>
        [config.video!.placeholder, countVideoTokens(frames, config.video!.tokens).tokens] as const,
    ),
  ]
  const text = [5, 6, 7, 8 + seed]
  const media = places.flatMap(([id, rows]) => [...Array.from({ length: rows }, () => id), 9])
  return {
    inputIds: [1, ...media, ...text],
    labels: [-100, ...media.map(() => -100), ...text],
    ...(tiles > 0 && { pixelValues: noise(tiles), imageSizes }),
    ...(clips.length > 0 && { videos: clips.map(noise) }),
  }
}

function packed(samples: readonly Sample[]): Sample {
  const pixels = samples.flatMap(({ pixelValues }) => (pixelValues ? [pixelValues] : []))
  const [, ...tile] = pixels[0]!.shape
  const tiles = pixels.reduce((sum, { shape }) => sum + shape[0]!, 0)
  return {
    inputIds: samples.flatMap(({ inputIds }) => Array.from(inputIds)),
    labels: samples.flatMap(({ labels }) => Array.from(labels)),
    segments: samples.flatMap(({ inputIds }, i) => Array.from(inputIds, () => i)),
    pixelValues: {
      data: Float32Array.from(pixels.flatMap(({ data }) => [...data])),
      shape: [tiles, ...tile],
    },
    imageSizes: samples.flatMap(({ imageSizes = [] }) => imageSizes),
    videos: samples.flatMap(({ videos = [] }) => videos),
  }
}

const ROWS: readonly { name: string; model: string; parts?: typeof CLIP; media: Media[] }[] = [
  {
    name: 'pictures that are single tiles where a prompt has several',
    model: ONEVISION,
    media: [
      { pictures: [[100, 60]] },
      { pictures: [[60, 100]] },
      {
        pictures: [
          [80, 80],
          [60, 100],
        ],
      },
      {},
    ],
  },
  {
    name: 'pictures and clips with a placeholder each',
    model: ONEVISION,
    media: [{ clips: [3] }, { pictures: [[100, 60]] }, {}, { clips: [2, 3] }],
  },
  {
    name: 'a clip before a picture with the same placeholder',
    model: NEXT_VIDEO,
    parts: CLIP,
    media: [{ clips: [2] }, { pictures: [[500, 300]] }, { clips: [3] }],
  },
]

for (const { name, model, parts, media } of ROWS) {
  test(`a packed row has the loss of its sequences: ${name}`, async () => {
    await using trainer = await createTrainer(model, { ...parts, trainable: [] })
    const samples = media.map((one, seed) => sequence(trainer.config, one, seed))
    const [apart, together] = [
      await trainer.evaluate(samples),
      await trainer.evaluate([packed(samples)]),
    ]
    assert.equal(together.tokens, apart.tokens)
    assert.ok(
      Math.abs(together.loss - apart.loss) < SAME * apart.loss,
      `${together.loss} ${apart.loss}`,
    )
  })
}

test('a sequence whose places are one too few is refused, though the next has one too many', async () => {
  await using trainer = await createTrainer(NEXT_VIDEO, { ...CLIP, trainable: [] })
  const media = [{ clips: [2] }, { pictures: [[336, 336]] as const }]
  const row = packed(media.map((one, seed) => sequence(trainer.config, one, seed)))
  const ids = Array.from(row.inputIds)
  const { placeholder } = trainer.config.image!
  const moved = ids.with(ids.indexOf(placeholder), 5).with(ids.lastIndexOf(9), placeholder)
  await assert.rejects(
    trainer.evaluate([{ ...row, inputIds: moved }]),
    (error) =>
      error instanceof InputError &&
      /sample 0: the places of its 2 sequences should be filled/.test(error.message),
  )
})

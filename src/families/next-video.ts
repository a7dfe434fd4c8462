/**
 * LLaVA-NeXT-Video in transformers' files: NeXT's pictures, and clips whose frames are pooled before the projector.
 *
 * The originals of these checkpoints are read by `next.ts`: there every NeXT model takes clips.
 * Sources: the LLaVA-NeXT post of 2024-04-30; transformers 5.23 `models/llava_next_video`.
 */
import type { Family } from './family.ts'
import { JsonReader } from './json-reader.ts'
import { next, parseNextHf, type NextHfClass } from './next.ts'
import { hfPooling } from './video-config.ts'

const HF_CLASS: NextHfClass = {
  aspectRatio: 'anyres',
  severalPictures: 'each',
  videoToken: 32000,
  habits: (json) => ({
    pooling: hfPooling(json),
    poolPlace: 'before',
    newline: 'none',
    isTrained: true,
  }),
}

export const nextVideo: Family = {
  name: 'next-video',
  matches: (config) => config['model_type'] === 'llava_next_video',
  parseConfig: (documents, options) => {
    const json = new JsonReader('config.json', documents.files.get('config.json'))
    return {
      family: 'next-video',
      ...parseNextHf(json, documents, { options, hfClass: HF_CLASS }),
    }
  },
  parameterNames: next.parameterNames,
}

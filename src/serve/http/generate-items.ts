/**
 * The prompts of one `/generate`: one, or a list with what belongs to each, in SGLang's words.
 *
 * What is given once for a list is each prompt's; a list has one for each. A flat list of media belongs to the one prompt, or
 * has one for each of several. Source: sgl-project/sglang, `GenerateReqInput` in python/sglang/srt/managers/io_struct.py at 001067f.
 */
import type { GenerateOptions } from '../generate-options.ts'
import { PromptFailure } from './body-fields.ts'
import { checkCount } from './choices.ts'
import { HttpError } from './http-error.ts'
import type { RequestMedia } from './media.ts'
import { idsAt } from './media-paths.ts'
import { given, continuedTokens, samplingOptions, type SamplingFields } from './sampling-fields.ts'
import type { ServedModel, ServedRequest } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'

export type SglangRequest = {
  readonly model?: string | null
  readonly text?: OneOrEach<string> | null
  readonly input_ids?: readonly number[] | readonly (readonly number[])[] | null
  readonly image_data?: MediaField
  readonly video_data?: MediaField
  readonly sampling_params?: OneOrEach<SglangSampling> | null
  readonly stream?: boolean | null
  readonly return_logprob?: OneOrEach<boolean> | null
  readonly top_logprobs_num?: OneOrEach<number> | null
}

export type SglangSampling = SamplingFields & {
  readonly max_new_tokens?: number | null
  readonly n?: number | null
  readonly sampling_seed?: number | null
}

type OneOrEach<T> = T | readonly T[]
type MediaField = string | readonly string[] | readonly (readonly string[])[] | null | undefined

export type GenerateItems = {
  /** Whether the prompts came as a list: then so do the answers. */
  readonly isList: boolean
  readonly items: readonly ServedRequest[]
  /** Answers to each. */
  readonly n: number
}

type Reading = {
  readonly media: RequestMedia
  readonly model: ServedModel
  readonly config: ServerConfig
}

/** Throws HttpError where lists are not of one length, and what reading media throws. */
export async function readItems(
  body: SglangRequest,
  { media, model, config }: Reading,
): Promise<GenerateItems> {
  const { isList, prompts } = promptsOf(body)
  const count = isList ? prompts.length : null
  const each = <T>(name: keyof SglangRequest) => spread(body[name] as OneOrEach<T>, name, count)
  const sampling = each<SglangSampling>('sampling_params')
  const samplingAt = (i: number) =>
    Array.isArray(body.sampling_params) ? `sampling_params[${i}]` : 'sampling_params'
  const n = sampling(0)?.n ?? 1
  if (prompts.some((_, i) => (sampling(i)?.n ?? 1) !== n)) {
    throw fault('sampling_params: n should be the same for all prompts')
  }
  checkCount(prompts.length * n, '/generate', config)
  const logprobs = each<boolean>('return_logprob')
  const tops = each<number>('top_logprobs_num')
  const images = await readEach(mediaOf(body.image_data, 'image_data', count), (url, place) =>
    media.picture(asUrl(url, 'image/png'), `image_data${place}`),
  )
  const videos = await readEach(mediaOf(body.video_data, 'video_data', count), (url, place) =>
    media.clip(asUrl(url, 'video/mp4'), `video_data${place}`),
  )
  const items = prompts.map((prompt, i) => ({
    ...prompt,
    images: images(i),
    videos: videos(i),
    ...optionsOf(sampling(i), i),
    maxTokens: continuedTokens(
      { [`${samplingAt(i)}.max_new_tokens`]: sampling(i)?.max_new_tokens },
      model,
      config,
    ),
    ...(logprobs(i) && { logprobs: true, ...given({ topLogprobs: tops(i) }) }),
  }))
  return { isList, items, n }
}

function optionsOf(sampling: SglangSampling | null, prompt: number): GenerateOptions {
  try {
    return samplingOptions({ ...sampling, seed: sampling?.sampling_seed ?? null })
  } catch (error) {
    throw new PromptFailure(error, prompt)
  }
}

type ItemPrompt = { readonly prompt: string } | { readonly inputIds: readonly number[] }

type Prompts = { readonly isList: boolean; readonly prompts: readonly ItemPrompt[] }

function promptsOf({ text, input_ids: ids }: SglangRequest): Prompts {
  if (text !== undefined && text !== null) {
    return {
      isList: typeof text !== 'string',
      prompts: [text].flat().map((prompt) => ({ prompt })),
    }
  }
  const isList = Array.isArray(ids?.[0])
  const lists = (isList ? ids : [ids]) as readonly (readonly number[])[]
  const pathOf = (i: number) => (isList ? `input_ids[${i}]` : 'input_ids')
  return { isList, prompts: lists.map((one, i) => idsAt(one, pathOf(i))) }
}

/** What of a field is prompt i's; `count` is null where there is one prompt that is no list. */
function spread<T>(
  field: OneOrEach<T> | null | undefined,
  name: string,
  count: number | null,
): (i: number) => T | null {
  if (!Array.isArray(field)) return () => (field ?? null) as T | null
  checkLength(field, name, count)
  return (i) => field[i] as T
}

type MediaOf = { readonly each: readonly (readonly string[])[]; readonly isNested: boolean }

/** The media of each prompt; one list where all have the same. */
function mediaOf(field: MediaField, name: string, count: number | null): MediaOf {
  if (typeof field === 'string') return { each: [[field]], isNested: false }
  if (!field || field.length === 0) return { each: [[]], isNested: false }
  const isNested = Array.isArray(field[0])
  if (count === null && !isNested) return { each: [field as readonly string[]], isNested }
  checkLength(field, name, count)
  return { each: field.map((one) => [one].flat()), isNested }
}

/** Reads each once, also where several prompts have it. */
async function readEach<M>(
  { each, isNested }: MediaOf,
  read: (url: string, place: string) => Promise<M>,
): Promise<(i: number) => readonly M[]> {
  const lists: M[][] = []
  for (const [i, urls] of each.entries()) {
    const list: M[] = []
    for (const [j, url] of urls.entries()) {
      list.push(await read(url, isNested ? `[${i}][${j}]` : `[${i + j}]`))
    }
    lists.push(list)
  }
  return (i) => lists[lists.length === 1 ? 0 : i] ?? []
}

function checkLength(field: readonly unknown[], name: string, count: number | null): void {
  if (count === null) throw fault(`${name} may be a list of one for each where text is a list`)
  if (field.length === count) return
  throw fault(`${name} should have one for each of ${count} prompts, ${field.length} came`)
}

function fault(message: string): HttpError {
  return new HttpError(400, 'INPUT_OPTION', `/generate: ${message}.`)
}

function asUrl(text: string, type: string): string {
  return text.includes(':') ? text : `data:${type};base64,${text}`
}

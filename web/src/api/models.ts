/** What the server serves. */
import { getJson } from './client.ts'

export type ServedModel = {
  readonly id: string
  /** Null: the server does not know. */
  readonly maxContext: number | null
  readonly takesImages: boolean
  readonly takesVideos: boolean
}

type Listed = {
  readonly data: readonly {
    readonly id: string
    readonly max_model_len: number | null
    readonly input_modalities: readonly string[]
  }[]
}

export async function listModels(): Promise<ServedModel[]> {
  const { data } = await getJson<Listed>('/v1/models')
  return data.map(({ id, max_model_len, input_modalities }) => ({
    id,
    maxContext: max_model_len,
    takesImages: input_modalities.includes('image'),
    takesVideos: input_modalities.includes('video'),
  }))
}

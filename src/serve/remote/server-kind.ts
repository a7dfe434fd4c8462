/** Whose words a server speaks, as its list of models says; `openai`: those of OpenAI alone. */
import { isRecord } from '../faults.ts'

export type ServerKind = 'llava-ts' | 'vllm' | 'sglang' | 'openai'

/** Of a reply of `/v1/models`. */
export function kindOf(list: unknown): ServerKind {
  const data = isRecord(list) && Array.isArray(list['data']) ? (list['data'] as unknown[]) : []
  const owner = data.filter(isRecord)[0]?.['owned_by']
  return owner === 'llava-ts' || owner === 'vllm' || owner === 'sglang' ? owner : 'openai'
}

/** SGLang reads a clip as one file (`load_video` in python/sglang/srt/utils/common.py); others that are not known may read more. */
export function takesFrames(kind: ServerKind | null): boolean {
  return kind !== 'sglang'
}

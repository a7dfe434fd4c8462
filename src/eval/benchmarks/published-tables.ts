/**
 * The tables of the papers, posts and repositories, by their columns; a benchmark's file has its row of each. A null is a cell without
 * a number. What a column differs by from others of the same model, and a row from others of the table, stands in its source.
 */
import type { PublishedScore } from '../benchmark.ts'

type Cell = number | null
type Column = string | { readonly model: string; readonly condition: string }

/** `condition` says more of the row: its judge, its split. */
export type TableRowOf = (
  metric: string,
  cells: readonly Cell[],
  condition?: string,
) => PublishedScore[]

function tableOf(source: string, columns: readonly Column[]): TableRowOf {
  return (metric, cells, condition) =>
    columns.flatMap((column, i): PublishedScore[] => {
      const value = cells[i] ?? null
      const { model, condition: own } =
        typeof column === 'string' ? { model: column, condition: undefined } : column
      const conditions = [condition, own].filter((one) => one !== undefined)
      const note = conditions.length > 0 ? ` (${conditions.join(', ')})` : ''
      return value === null ? [] : [{ model, metric, value, source: `${source}${note}` }]
    })
}

export const zooRow = tableOf('haotian-liu/LLaVA docs/MODEL_ZOO.md', [
  'llava-v1.5-7b',
  'llava-v1.5-13b',
  'llava-v1.5-7b-lora',
  'llava-v1.5-13b-lora',
  'llava-v1.5-hd-13b',
])

/** LLaVA-NeXT's first post, whose table the zoo has too. */
export const januaryRow = tableOf('LLaVA-NeXT blog 2024-01-30', [
  'llava-v1.5-13b',
  'llava-v1.6-vicuna-7b',
  'llava-v1.6-mistral-7b',
  'llava-v1.6-vicuna-13b',
  'llava-v1.6-34b',
])

export const mayRow = tableOf('LLaVA-NeXT blog 2024-05-10', [
  'llava-next-110b',
  'llava-next-72b',
  'llama3-llava-next-8b',
  'llava-v1.6-34b',
  'llava-v1.6-vicuna-13b',
  'llava-v1.6-vicuna-7b',
  'llava-v1.6-mistral-7b',
  'gpt-4v',
  'llava-v1.5-13b',
])

export const JUDGE_0613 = 'judge gpt-3.5-turbo-0613'

/** Video: the models trained on pictures alone at two lengths, then those trained on clips, then others. */
export const aprilRow = tableOf('LLaVA-NeXT blog 2024-04-30', [
  { model: 'llava-next-image-7b', condition: '1 frame, length 4096' },
  { model: 'llava-next-image-7b', condition: 'length 4096' },
  { model: 'llava-next-image-7b', condition: 'length 8192' },
  'llava-next-video-7b',
  'llava-next-video-7b-dpo',
  { model: 'llava-next-image-34b', condition: 'length 4096' },
  { model: 'llava-next-image-34b', condition: 'length 8192' },
  'llava-next-video-34b',
  'llava-next-video-34b-dpo',
  'video-chatgpt-7b',
  'video-llava-7b',
  'vista-llama-7b',
  'videochat2-7b',
  'llama-vid-7b',
  'gpt-4v',
  'gemini-pro',
  'gemini-ultra',
  'flamingo',
])

export const juneRow = tableOf('LLaVA-NeXT blog 2024-06-16', [
  'llava-interleave-qwen-0.5b',
  'llava-interleave-qwen-7b',
  'llava-interleave-qwen-14b',
  'llava-interleave-qwen-7b-dpo',
])

/** `si`: after the stage of single pictures. */
export const oneVisionRow = tableOf('arXiv:2408.03326', [
  'llava-onevision-qwen2-0.5b-si',
  'llava-onevision-qwen2-0.5b',
  'llava-onevision-qwen2-7b-si',
  'llava-onevision-qwen2-7b',
  'llava-onevision-qwen2-72b-si',
  'llava-onevision-qwen2-72b',
])

export const oneVisionChatRow = tableOf('LLaVA-NeXT docs/LLaVA_OneVision_Chat.md', [
  'llava-onevision-qwen2-7b-chat',
  'llava-onevision-qwen2-72b-chat',
])

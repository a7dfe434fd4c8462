/**
 * Which conversation mode a checkpoint speaks, by its name.
 *
 * Source: `llava/serve/cli.py` of haotian-liu/LLaVA at c121f04 and LLaVA-VL/LLaVA-NeXT at df17966; for evaluation
 * `scripts/v1_5/eval/*.sh`, `llava/eval/model_vqa_loader.py` and the published evaluation of each model.
 */
import type { Repository } from './conversation-modes.ts'
import { isConversationMode } from './conversation.ts'

/**
 * The mode that evaluation uses, which is the one the checkpoint was trained with.
 *
 * `name` is its folder or hub id, `modelType` the `model_type` of its config (`llava_mistral`). The demos choose
 * otherwise (`demoModeOf`): for 1.5 they say "human" where training said "user".
 */
export function conversationModeOf(name: string, modelType = ''): string {
  const model = modelNameOf(name).toLowerCase()
  const rule = EVALUATION_RULES.find(
    ({ names, types }) => names.some((part) => model.includes(part)) || types?.includes(modelType),
  )
  const mode = rule?.mode ?? 'vicuna_v1'
  // Stage-1 models that were never tuned on instructions are asked with the picture's tag wrapped.
  const isPlain = model.includes('plain') && !model.includes('finetune')
  return isPlain ? (TAG_MODES[mode] ?? mode) : mode
}

const EVALUATION_RULES: readonly {
  readonly names: readonly string[]
  readonly types?: readonly string[]
  readonly mode: string
}[] = [
  {
    names: ['qwen', 'onevision', 'interleave'],
    types: ['llava_qwen', 'llava_qwen_moe'],
    mode: 'qwen_1_5',
  },
  { names: ['llama-3', 'llama3'], mode: 'llava_llama_3' },
  { names: ['llama-2', 'llama2'], mode: 'llava_llama_2' },
  {
    names: ['mistral', 'mixtral'],
    types: ['llava_mistral', 'llava_mixtral'],
    mode: 'mistral_instruct',
  },
  { names: ['34b', 'yi-'], mode: 'chatml_direct' },
  { names: ['mpt'], types: ['llava_mpt'], mode: 'mpt' },
  { names: ['gemma'], types: ['llava_gemma'], mode: 'gemma_instruct' },
  { names: ['v0'], mode: 'llava_v0' },
]

const TAG_MODES: Readonly<Record<string, string>> = { vicuna_v1: 'v1_mmtag', llava_v0: 'v0_mmtag' }

/** The mode that the command line of a repository chooses. */
export function demoModeOf(name: string, repository: Repository = 'LLaVA'): string {
  const model = modelNameOf(name).toLowerCase()
  const rules = repository === 'LLaVA' ? DEMO_RULES : DEMO_RULES.filter(({ isNew }) => !isNew)
  return rules.find(({ part }) => model.includes(part))?.mode ?? 'llava_v0'
}

/** In the order the scripts ask. LLaVA-NeXT's script lacks the new ones. */
const DEMO_RULES: readonly {
  readonly part: string
  readonly mode: string
  readonly isNew?: true
}[] = [
  { part: 'llama-2', mode: 'llava_llama_2' },
  { part: 'mistral', mode: 'mistral_instruct', isNew: true },
  { part: 'v1.6-34b', mode: 'chatml_direct', isNew: true },
  { part: 'v1', mode: 'llava_v1' },
  { part: 'mpt', mode: 'mpt' },
]

/** The mode of the training scripts' `--version`: unknown ones are Vicuna's, as there. */
export function trainingModeOf(version: string): string {
  return isConversationMode(version) ? version : 'vicuna_v1'
}

/** The last part of a path; of `…/run/checkpoint-100` the last two, joined by `_`. */
export function modelNameOf(path: string): string {
  const parts = path.replace(/^\/+|\/+$/g, '').split('/')
  const last = parts.at(-1) ?? ''
  return last.startsWith('checkpoint-') && parts.length > 1 ? `${parts.at(-2)}_${last}` : last
}

/**
 * Which conversation mode a checkpoint speaks, by its name.
 *
 * Source: `llava/serve/cli.py` of haotian-liu/LLaVA at c121f04 and LLaVA-VL/LLaVA-NeXT at df17966; for evaluation
 * `scripts/v1_5/eval/*.sh`, `llava/eval/model_vqa_loader.py` and the published evaluation of each model.
 */
import { checkArgument } from '../core/check-argument.ts'
import type { Repository } from './conversation-modes.ts'
import { isConversationMode } from './conversation.ts'

/**
 * The mode that evaluation uses, which is the one the checkpoint was trained with.
 *
 * `names` are its folder or hub id, or several that it goes by, of which the first that says a mode counts; `modelType` is
 * the `model_type` of its config (`llava_mistral`), which is surer than a name. The demos choose otherwise (`demoModeOf`):
 * for 1.5 they say "human" where training said "user".
 */
export function conversationModeOf(names: string | readonly string[], modelType = ''): string {
  const models = [names].flat().map((name) => modelNameOf(name).toLowerCase())
  const model = models.find((one) => namedMode(one) !== undefined) ?? models[0] ?? ''
  const mode = MODES_OF_TYPES[modelType] ?? namedMode(model) ?? 'vicuna_v1'
  // Stage-1 models that were never tuned on instructions are asked with the picture's tag wrapped.
  const isPlain = model.includes('plain') && !model.includes('finetune')
  return isPlain ? (TAG_MODES[mode] ?? mode) : mode
}

function namedMode(model: string): string | undefined {
  return NAME_RULES.find(({ parts }) => parts.some((part) => model.includes(part)))?.mode
}

const MODES_OF_TYPES: Readonly<Record<string, string>> = {
  llava_qwen: 'qwen_1_5',
  llava_qwen_moe: 'qwen_1_5',
  llava_mistral: 'mistral_instruct',
  llava_mixtral: 'mistral_instruct',
  llava_mpt: 'mpt',
  llava_gemma: 'gemma_instruct',
}

/** In the order the scripts ask: behind v1 may stand the number of an attempt (`llava-v1.5-7b-v0.1`) or a data set. */
const NAME_RULES: readonly { readonly parts: readonly string[]; readonly mode: string }[] = [
  { parts: ['llama-3', 'llama3'], mode: 'llava_llama_3' },
  { parts: ['llama-2', 'llama2'], mode: 'llava_llama_2' },
  { parts: ['mistral', 'mixtral'], mode: 'mistral_instruct' },
  { parts: ['34b', 'yi-'], mode: 'chatml_direct' },
  { parts: ['v1'], mode: 'vicuna_v1' },
  { parts: ['qwen', 'onevision', 'interleave'], mode: 'qwen_1_5' },
  { parts: ['mpt'], mode: 'mpt' },
  { parts: ['gemma'], mode: 'gemma_instruct' },
  { parts: ['v0'], mode: 'llava_v0' },
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
  checkArgument('conversation: the name of a model', path, 'a string')
  const parts = path.replace(/^\/+|\/+$/g, '').split('/')
  const last = parts.at(-1) ?? ''
  return last.startsWith('checkpoint-') && parts.length > 1 ? `${parts.at(-2)}_${last}` : last
}

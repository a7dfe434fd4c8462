/**
 * How a model writes calls of tools, told by its chat template: whoever was trained to call writes calls as the template
 * writes those of earlier turns.
 *
 *   hermes   <tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>, as often as there are calls (Hermes 2 Pro, Qwen 2.5, SmolLM2)
 *   mistral  [TOOL_CALLS] [{"name": …, "arguments": {…}}, …] (Mistral 7B v0.3 and its successors with that template)
 *   llama3   {"name": …, "parameters": {…}} as the whole answer (Llama 3.1 and 3.2)
 *
 * Sources: the templates' own words to the model; NousResearch/Hermes-Function-Calling, README; mistralai/mistral-common,
 * `InstructTokenizerV3`; meta-llama/llama-models, `models/llama3_1/prompt_format.md`.
 */
import { InputError } from '../core/errors.ts'
import type { PromptConfig } from './family.ts'

export type ToolFormat = 'hermes' | 'mistral' | 'llama3'

/** Control tokens and tags that mean something in a call; people's words must not be read as one. */
export const TOOL_MARKS: { readonly [F in ToolFormat]: readonly string[] } = {
  hermes: ['<tool_call>', '</tool_call>', '<tool_response>', '</tool_response>'],
  mistral: ['[TOOL_CALLS]', '[TOOL_RESULTS]', '[/TOOL_RESULTS]', '[AVAILABLE_TOOLS]'],
  llama3: ['<|python_tag|>'],
}

/** The format of a model; null where its template shows no tools, or calls that are written in another way. */
export function toolFormatOf(prompt: PromptConfig): ToolFormat | null {
  if (prompt.kind !== 'template') return null
  const { template } = prompt
  if (!/\btools\b/.test(template)) return null
  // Qwen3-Coder's calls are XML; Mistral's of 2025 have [ARGS].
  if (template.includes('<tool_call>')) return template.includes('<function=') ? null : 'hermes'
  if (template.includes('[TOOL_CALLS]')) return template.includes('[ARGS]') ? null : 'mistral'
  return /"name"/.test(template) && /"parameters"/.test(template) ? 'llama3' : null
}

/** Throws InputError INPUT_TOOLS where a model cannot call. */
export function requireToolFormat(prompt: PromptConfig): ToolFormat {
  const format = toolFormatOf(prompt)
  if (format) return format
  throw new InputError(
    'INPUT_TOOLS',
    'tools: expected a model whose chat template shows tools and writes calls as Hermes, Mistral 7B v0.3 or Llama 3.1 do, this one does not; leave out tools, or load the model with such a template.',
  )
}

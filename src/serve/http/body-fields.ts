/** Which field of a body it is that a loaded model finds fault with, long after the body was read. */
import { isRecord } from '../faults.ts'
import { FORMAT_PROPERTIES } from './format-fields.ts'

/** Names of the fields that requests gave. */
const GIVEN = new WeakMap<Request, ReadonlySet<string>>()

const PROMPTS = ['messages', 'prompt', 'input', 'text', 'input_ids', 'input_embeds']
/** What a failure is about, by the beginning of its code: one of these fields, the first that was given. */
const FIELDS: readonly (readonly [code: string, fields: readonly string[]])[] = [
  ['INPUT_CONTEXT', PROMPTS],
  ['INPUT_CONVERSATION_', PROMPTS],
  ['INPUT_TEMPLATE_', PROMPTS],
  ['INPUT_FORMAT', [...Object.keys(FORMAT_PROPERTIES), 'tools', 'text', 'sampling_params']],
  ['INPUT_TOOLS', ['tools', 'tool_choice', 'messages', 'input']],
]

export function noteFields(request: Request, body: unknown): void {
  if (!isRecord(body)) return
  const given = Object.entries(body).filter(([, value]) => value !== null && value !== undefined)
  GIVEN.set(request, new Set(given.map(([name]) => name)))
}

/** Null where the failure is about no field in particular. */
export function fieldOf(code: string, request: Request): string | null {
  const given = GIVEN.get(request)
  const [, fields = []] = FIELDS.find(([start]) => code.startsWith(start)) ?? []
  return fields.find((name) => given?.has(name)) ?? null
}

/** What a request says about tools: what may be called, and whether something must be. */
import type { ToolDefinition } from '../../families/tool-messages.ts'
import { isRecord, type Faults } from '../faults.ts'

/** Beside `messages`. */
export type ToolFields = {
  /** What the model may call; a template that shows no tools is an InputError. */
  readonly tools?: readonly ToolDefinition[] | undefined
  /** `auto`, the default: the model decides. `required` and a name are enforced by a grammar; `none` hides the tools. */
  readonly toolChoice?: ToolChoice | undefined
  /** Whether an answer may call more than once; a tool that is named is called exactly once. Default true. */
  readonly parallelToolCalls?: boolean | undefined
}

export type ToolChoice = 'none' | 'auto' | 'required' | { readonly name: string }

/** Tools that an answer may call. */
export type ToolUse = {
  readonly tools: readonly ToolDefinition[]
  /** Those that it must call one of; null: the model decides. */
  readonly required: readonly ToolDefinition[] | null
  readonly isParallel: boolean
}

const CODE = 'INPUT_TOOLS'
const MOST_TOOLS = 128
const LONGEST_TOOLS = 1 << 18

/** Notes what keeps the fields of a request from being about tools. */
export function checkTools(input: Record<string, unknown>, faults: Faults): void {
  const { tools, toolChoice, parallelToolCalls, messages } = input
  if (parallelToolCalls !== undefined && typeof parallelToolCalls !== 'boolean') {
    faults.mismatch(CODE, 'parallelToolCalls', 'true or false', parallelToolCalls)
  }
  if (tools === undefined) {
    if (toolChoice !== undefined && toolChoice !== 'none' && toolChoice !== 'auto') {
      faults.add(CODE, 'toolChoice wants a call, and there are no tools')
    }
    return
  }
  if (messages === undefined) faults.add(CODE, 'tools are for messages')
  if (!Array.isArray(tools) || tools.length > MOST_TOOLS) {
    faults.mismatch(CODE, 'tools', `a list of at most ${MOST_TOOLS} tools`, tools)
    return
  }
  tools.forEach((tool, i) => checkTool(`tools[${i}]`, tool, faults))
  const names = tools.map((tool) => (isRecord(tool) ? tool['name'] : undefined))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) faults.add(CODE, `tools has ${JSON.stringify(twice)} twice`)
  if (JSON.stringify(tools).length > LONGEST_TOOLS) {
    faults.add(CODE, `tools should have at most ${LONGEST_TOOLS} characters as JSON`)
  }
  checkChoice(toolChoice, names, faults)
}

function checkTool(path: string, tool: unknown, faults: Faults): void {
  if (!isRecord(tool)) {
    faults.mismatch(CODE, path, 'an object with a name', tool)
    return
  }
  const { name, description, parameters } = tool
  faults.unknownKeys(CODE, path, tool, ['name', 'description', 'parameters'])
  if (typeof name !== 'string' || !/^[\w.-]{1,128}$/.test(name)) {
    faults.mismatch(CODE, `${path}.name`, '1 to 128 letters, digits, _, - and .', name)
  }
  if (description !== undefined && typeof description !== 'string') {
    faults.mismatch(CODE, `${path}.description`, 'a text', description)
  }
  if (parameters !== undefined && !isRecord(parameters)) {
    faults.mismatch(CODE, `${path}.parameters`, 'a JSON Schema', parameters)
  }
}

function checkChoice(choice: unknown, names: readonly unknown[], faults: Faults): void {
  if (choice === undefined || choice === 'none' || choice === 'auto') return
  if (choice === 'required') {
    if (names.length === 0) faults.add(CODE, 'toolChoice wants a call, and there are no tools')
  } else if (!isRecord(choice) || typeof choice['name'] !== 'string') {
    faults.mismatch(CODE, 'toolChoice', "'none', 'auto', 'required' or { name }", choice)
  } else if (!names.includes(choice['name'])) {
    faults.mismatch(CODE, 'toolChoice.name', 'the name of one of tools', choice['name'])
  }
}

/** Of fields that were checked; null where nothing may be called. */
export function readToolUse({
  tools = [],
  toolChoice = 'auto',
  parallelToolCalls = true,
}: ToolFields): ToolUse | null {
  if (tools.length === 0 || toolChoice === 'none') return null
  const isNamed = typeof toolChoice === 'object'
  const named = isNamed ? tools.filter(({ name }) => name === toolChoice.name) : tools
  return {
    tools,
    required: toolChoice === 'auto' ? null : named,
    isParallel: parallelToolCalls && !isNamed,
  }
}

/**
 * The grammar of an answer that must be a call: one of the tools by its name, arguments by its schema, written as the model's
 * format has it.
 *
 *   hermes   <tool_call>\n CALL \n</tool_call> (\n<tool_call> …)     mistral   [ CALL (, CALL) ]     llama3   CALL
 *
 * All calls follow one schema, of which the rule `root` is made; the format is a rule around it.
 */
import type { ToolFormat } from '../../families/tool-format.ts'
import { NO_PARAMETERS, type ToolDefinition } from '../../families/tool-messages.ts'
import type { Grammar } from '../constrained/response-format.ts'
import { schemaGrammar } from '../constrained/response-format.ts'
import { isRecord } from '../faults.ts'
import { argumentsSchema } from './argument-schema.ts'
import { ARGUMENTS_NAME } from './call-format.ts'

/** Calls of one answer. */
export const MOST_CALLS = 16

/** Throws InputError INPUT_FORMAT for schemas that cannot be enforced. */
export function callGrammar(
  tools: readonly ToolDefinition[],
  { format, isParallel }: { readonly format: ToolFormat; readonly isParallel: boolean },
): Grammar {
  return {
    ...schemaGrammar(callSchema(tools, ARGUMENTS_NAME[format])),
    frame: FRAMES[format](isParallel),
  }
}

const FRAMES: { readonly [F in ToolFormat]: (isParallel: boolean) => string } = {
  hermes: (isParallel) => {
    const call = String.raw`"<tool_call>\n" root "\n</tool_call>"`
    return isParallel ? String.raw`${call} ("\n" ${call}){0,${MOST_CALLS - 1}}` : call
  },
  mistral: (isParallel) =>
    isParallel ? `"[" root (", " root){0,${MOST_CALLS - 1}} "]"` : '"[" root "]"',
  llama3: () => 'root',
}

function callSchema(tools: readonly ToolDefinition[], argumentsName: string): object {
  const definitions: Record<string, unknown> = {}
  const calls = tools.map(({ name, parameters = NO_PARAMETERS }, i) => ({
    type: 'object',
    properties: {
      name: { const: name },
      [argumentsName]: hoisted(parameters, {
        narrowed: argumentsSchema(parameters, name),
        own: `t${i}`,
        definitions,
      }),
    },
    required: ['name', argumentsName],
    additionalProperties: false,
  }))
  const [only] = calls
  const schema = calls.length === 1 && only ? only : { anyOf: calls }
  return Object.keys(definitions).length === 0 ? schema : { ...schema, $defs: definitions }
}

/** Both groups of definitions that a schema may have, and what tells their names apart in the one group of the whole. */
const GROUPS = { $defs: '_', definitions: 'd_' } as const

/** A schema whose definitions went into those of the whole, under names of its own. */
function hoisted(
  schema: object,
  {
    narrowed,
    own,
    definitions,
  }: {
    readonly narrowed: object
    readonly own: string
    readonly definitions: Record<string, unknown>
  },
): unknown {
  const rest = withoutDefinitions(schema)
  const text = JSON.stringify(rest)
  const isRecursive = text.includes('"#"')
  const moved = (value: unknown) => withReferences(value, own)
  for (const [group, mark] of Object.entries(GROUPS)) {
    const named = (schema as Record<string, unknown>)[group]
    for (const [name, one] of Object.entries(isRecord(named) ? named : {})) {
      definitions[`${own}${mark}${name}`] = moved(one)
    }
  }
  const usesItself = isRecursive || JSON.stringify(definitions).includes(`"#/$defs/${own}"`)
  // What refers to the whole means the schema as it was written, whatever its first use is narrowed to.
  if (usesItself) definitions[own] = moved(rest)
  return moved(withoutDefinitions(narrowed))
}

function withoutDefinitions(schema: object): Record<string, unknown> {
  const { $defs: _newer, definitions: _older, ...rest } = schema as Record<string, unknown>
  return rest
}

/** Values that are data and no schemas, and those that are schemas by names. */
const DATA = ['const', 'enum', 'default', 'examples']
const BY_NAME = ['properties', 'patternProperties']

function withReferences(value: unknown, own: string, isByName = false): unknown {
  if (Array.isArray(value)) return value.map((one) => withReferences(one, own))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => {
      if (isByName) return [name, withReferences(one, own)]
      if (DATA.includes(name)) return [name, one]
      if (name === '$ref' && typeof one === 'string') return [name, reference(one, own)]
      return [name, withReferences(one, own, BY_NAME.includes(name))]
    }),
  )
}

function reference(path: string, own: string): string {
  if (path === '#') return `#/$defs/${own}`
  return path.replace(
    /^#\/(\$defs|definitions)\//,
    (_, group: keyof typeof GROUPS) => `#/$defs/${own}${GROUPS[group]}`,
  )
}

/** How calls stand in the text of an answer, for reading them and for asking for them. */
import type { ToolFormat } from '../../families/tool-format.ts'

/** The field of a call that holds its arguments. */
export const ARGUMENTS_NAME: { readonly [F in ToolFormat]: 'arguments' | 'parameters' } = {
  hermes: 'arguments',
  mistral: 'arguments',
  llama3: 'parameters',
}

export type CallMarks = {
  /** What comes before calls; '': a call may begin where the answer does. */
  readonly open: string
  /** Whether it may be left out at the beginning of an answer. */
  readonly isOptional: boolean
  /** What comes behind a call, where something does. */
  readonly close: string
  /** Calls are in one list. */
  readonly isList: boolean
  /** What may stand between two calls that are in no list. */
  readonly between: RegExp | null
}

export const CALL_MARKS: { readonly [F in ToolFormat]: CallMarks } = {
  hermes: {
    open: '<tool_call>',
    isOptional: false,
    close: '</tool_call>',
    isList: false,
    between: null,
  },
  mistral: { open: '[TOOL_CALLS]', isOptional: false, close: '', isList: true, between: null },
  llama3: {
    open: '<|python_tag|>',
    isOptional: true,
    close: '',
    isList: false,
    between: /^\s*;\s*$/,
  },
}

/**
 * adapter_stack.json beside an adapter: the adapters that lay under it in training and that its base has not. PEFT names one
 * base and reads no such file.
 */
import { describeValue } from '../core/describe-value.ts'
import { CheckpointError } from '../core/errors.ts'
import { readDocument } from './documents.ts'
import { joinPath } from './node.ts'

export const ADAPTER_STACK = 'adapter_stack.json'

/** `under`: the lowest first. */
export function adapterStackText(under: readonly string[]): string {
  return `${JSON.stringify({ under }, null, 2)}\n`
}

/** Of the adapter in `folder`; none where its base has all. Throws CheckpointError for a file that says something else. */
export function adaptersUnder(folder: string): readonly string[] {
  const stack = readDocument(folder, ADAPTER_STACK)
  if (stack === undefined) return []
  const under = typeof stack === 'object' && stack !== null && 'under' in stack ? stack.under : null
  if (Array.isArray(under) && under.every((path) => typeof path === 'string')) return under
  throw new CheckpointError(
    'CHECKPOINT_JSON',
    `weights: expected a list of folders as "under" in ${joinPath(folder, ADAPTER_STACK)}, ${describeValue(under)} came; is it whole?`,
  )
}

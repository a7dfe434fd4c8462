/** A checkpoint that was published as its difference to a language model, opened as the whole that the two make. */
import { openParts, type Checkpoint, type CheckpointOptions } from './load-checkpoint.ts'
import { locate } from './locate-model.ts'
import { addDelta } from './weights/delta.ts'
import { openCheckpoint } from './weights/index.ts'
import { joinPath } from './weights/node.ts'

/** `delta` and `base`: folders or hub ids; other options are those of the delta. */
export async function openDelta(
  delta: string,
  { base, ...options }: CheckpointOptions & { readonly base: string },
): Promise<Checkpoint> {
  const opened: { close(): void }[] = []
  const close = () => opened.forEach((one) => one.close())
  try {
    const checkpoint = await openParts(delta, options)
    opened.push(checkpoint)
    const folder = await locate(base, options)
    const source = openCheckpoint(folder)
    opened.push(source)
    const rules = checkpoint.family.parameterNames
    const parts = checkpoint.parts.map((part) =>
      part.rules === rules ? { rules, source: addDelta(part.source, source) } : part,
    )
    const names = new Set([...source.tensors.values()].map(({ file }) => file))
    const files = [...names].map((name) => joinPath(folder, name))
    return { ...checkpoint, parts, files: [...checkpoint.files, ...files], close }
  } catch (error) {
    close()
    throw error
  }
}

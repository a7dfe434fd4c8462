/** The README.md of what training wrote: from what, by which settings, for how many steps. */
import type { TrainerSettings } from './options.ts'

export type CardFacts = {
  /** The checkpoint that training started from: a folder or a hub id. */
  readonly base: string
  readonly settings: TrainerSettings
  readonly steps: number
  /** What the loop knows: data, curves, scores; Markdown. */
  readonly notes: string
}

export function trainingCard({ base, settings, steps, notes }: CardFacts): string {
  const { lora, objective } = settings
  const parts = settings.trainable.join(', ') || 'nothing in full'
  const adapters = lora ? `, and adapters of rank ${lora.rank} (alpha ${lora.alpha})` : ''
  const head = [
    ...(lora
      ? ['library_name: peft', `base_model: ${quoted(base)}`]
      : ['library_name: transformers']),
    'pipeline_tag: image-text-to-text',
    'tags:',
    '- llava',
  ]
  return `---
${head.join('\n')}
---

# ${nameOf(base)}, trained

Trained with llava-ts from \`${base}\`: ${parts}${adapters}; objective ${objective.kind}; ${steps} ${steps === 1 ? 'step' : 'steps'}.
Licence and limits are those of the base and of the data.

## Settings

\`\`\`json
${JSON.stringify(settings, describe, 2)}
\`\`\`
${notes === '' ? '' : `\n${notes.trim()}\n`}`
}

function describe(_: string, value: unknown): unknown {
  return value instanceof RegExp ? String(value) : value
}

/** A YAML scalar, whatever characters a path has. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

function nameOf(path: string): string {
  return (
    path
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) ?? path
  )
}

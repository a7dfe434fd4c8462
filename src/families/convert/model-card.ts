/** The README.md of a converted checkpoint: where it came from and what was done to it. */
export type CardFacts = {
  readonly source: string
  readonly to: 'llava-hf' | 'original'
  readonly dtype: string
  readonly parts: readonly string[]
  readonly notices: readonly string[]
  readonly version: string
}

export function modelCard(facts: CardFacts): string {
  const { source, to, dtype, parts, notices, version } = facts
  const library = to === 'llava-hf' ? 'library_name: transformers\n' : ''
  const merged = parts.length === 0 ? '' : `\nMerged into it: ${parts.join(', ')}.\n`
  const known = notices.length === 0 ? '' : `\n${notices.map((text) => `- ${text}`).join('\n')}\n`
  return `---
${library}pipeline_tag: image-text-to-text
tags:
- llava
---

# ${baseName(source)}, converted

The weights of \`${source}\`, written in the layout of ${LAYOUTS[to]} by llava-ts ${version} (\`llava convert\`).
Weights: ${dtype === 'stored' ? 'as they were stored' : dtype}. Nothing was trained; licence, data and limits are those of the source.
${merged}
${USE[to]}
${known}`
}

const LAYOUTS = {
  'llava-hf': 'the llava-hf repositories (transformers)',
  original: 'haotian-liu/LLaVA',
} as const

const USE = {
  'llava-hf': `\`\`\`python
from transformers import AutoModelForImageTextToText, AutoProcessor
model = AutoModelForImageTextToText.from_pretrained("path/to/this/folder")
processor = AutoProcessor.from_pretrained("path/to/this/folder")
\`\`\``,
  original: `The vision tower lies in the folder that \`mm_vision_tower\` of config.json names, inside this one. The original code looks for
it from the current directory: run it from this folder, or write the absolute path there.`,
} as const

function baseName(path: string): string {
  return (
    path
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) ?? path
  )
}

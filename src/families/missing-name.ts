/** What a parameter that the files lack would be called in them: by what they call its siblings. */
import { llavaHfName } from './convert/target-names.ts'

/** From our paths to the names in the files. */
export type KnownNames = ReadonlyMap<string, string>

/** The name, or undefined where nothing of its part is there to go by. */
export function missingName(path: string, known: KnownNames): string | undefined {
  if (path === 'imageNewline') return newlineName(known)
  return nameInOtherLayer(path, known) ?? nameAfterPrefix(path, known)
}

const LAYER = /(?<=\.layers\.)\d+(?=\.)/

/** The same weight of another layer, with this layer's number. */
function nameInOtherLayer(path: string, known: KnownNames): string | undefined {
  const number = LAYER.exec(path)?.[0]
  if (number === undefined || path.startsWith('projector.')) return undefined
  for (const [other, name] of known) {
    if (other.replace(LAYER, number) === path) {
      return name.replace(/(?<=\blayers?\.)\d+(?=\.)/, number)
    }
  }
  return undefined
}

/** Our part's prefix in these files, and what all files call the rest. */
function nameAfterPrefix(path: string, known: KnownNames): string | undefined {
  const part = path.slice(0, path.indexOf('.') + 1)
  for (const [sibling, name] of known) {
    if (!sibling.startsWith(part) || sibling === 'decoder.head.weight') continue
    if (part === 'projector.') return projectorName(path, name)
    for (const kind of ['clip', 'vit'] as const) {
      const usual = llavaHfName(sibling, kind)
      const leaf = usual.slice(commonPrefix(usual).length)
      if (!name.endsWith(leaf)) continue
      return named(path, kind, name.slice(0, name.length - leaf.length))
    }
  }
  return undefined
}

function named(path: string, kind: 'clip' | 'vit', prefix: string): string {
  if (path === 'decoder.head.weight') return `${headPrefix(prefix)}lm_head.weight`
  const usual = llavaHfName(path, kind)
  return prefix + usual.slice(commonPrefix(usual).length)
}

/** The head lies beside the model that has the layers, and since transformers 4.52 at the top. */
function headPrefix(decoder: string): string {
  return decoder.endsWith('language_model.') ? '' : decoder.replace(/model\.$/, '')
}

function commonPrefix(usual: string): string {
  return /^(?:language_model\.model\.|vision_tower\.(?:vision_model\.)?)?/.exec(usual)?.[0] ?? ''
}

function projectorName(path: string, sibling: string): string {
  const [, layer = '', kind = ''] = /^projector\.layers\.(\d+)\.(.*)$/.exec(path) ?? []
  const [, original] = /^(.*\bmm_projector\.)/.exec(sibling) ?? []
  if (original !== undefined) {
    // A lone layer is no Sequential, whose layers are counted with the activations between them.
    const isLone = !/mm_projector\.\d/.test(sibling)
    return isLone ? original + kind : `${original}${2 * Number(layer)}.${kind}`
  }
  return `${sibling.replace(/linear_.*$/, '')}linear_${Number(layer) + 1}.${kind}`
}

function newlineName(known: KnownNames): string | undefined {
  const neighbour = known.get('projector.layers.0.weight')
  if (neighbour === undefined) return undefined
  return neighbour.startsWith('model.') ? 'model.image_newline' : 'image_newline'
}

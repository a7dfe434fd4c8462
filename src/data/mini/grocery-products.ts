/**
 * The products of the grocery photographs: what people call them, and which of them stand beside one another.
 *
 * Classes: https://github.com/marcusklasson/GroceryStoreDataset (MIT), `classes.csv`.
 */
import { withArticle } from './turn.ts'

export type GroceryKind = 'fruit' | 'vegetable' | 'package'

/** Words for the coarse classes whose folder says something else. */
const NAMES: Readonly<Record<string, string>> = {
  Satsumas: 'satsuma',
  Carrots: 'carrot',
}

/** Varieties that are called by a proper name; the others are called as their folder. */
const PROPER: ReadonlySet<string> = new Set(
  'Golden-Delicious Granny-Smith Pink-Lady Red-Delicious Royal-Gala Anjou Conference Kaiser'.split(
    ' ',
  ),
)

const MASS: ReadonlySet<string> = new Set([
  'juice',
  'milk',
  'oatghurt',
  'oat milk',
  'sour cream',
  'sour milk',
  'soyghurt',
  'soy milk',
  'yoghurt',
  'asparagus',
  'cabbage',
  'garlic',
  'ginger',
])

/** `apple`, `passion fruit`: the answer to what is in the picture. */
export function coarseName(coarse: string): string {
  return NAMES[coarse] ?? coarse.replaceAll('-', ' ').toLowerCase()
}

/** `Granny Smith`, `red bell pepper`, `Arla Sour Milk`. */
export function fineName(fine: string, kind: GroceryKind): string {
  const name = NAMES[fine] ?? fine.replaceAll('-', ' ')
  return kind === 'package' || PROPER.has(fine) ? name : name.toLowerCase()
}

/** `Granny Smith apples`, `red bell peppers`, `Arla Sour Milk`: what a photo is of. */
export function photographed(fine: string, coarse: string, kind: GroceryKind): string {
  const name = fineName(fine, kind)
  if (kind === 'package') return name
  return plural(PROPER.has(fine) ? `${name} ${coarseName(coarse)}` : name)
}

/** `an apple`, `milk`. */
export function anyOf(name: string): string {
  return MASS.has(name) ? name : withArticle(name)
}

/** `apples`, `milk`. */
export function plural(name: string): string {
  if (MASS.has(name) || /(?:fruit|zucchini)$/.test(name)) return name
  if (name === 'avocado') return 'avocados'
  return /(?:o|ch)$/.test(name) ? `${name}es` : `${name}s`
}

const DAIRY: ReadonlySet<string> = new Set([
  'milk',
  'oatghurt',
  'oat milk',
  'sour cream',
  'sour milk',
  'soyghurt',
  'soy milk',
  'yoghurt',
])

/** Printed on the cartons. */
const PRINTED_ON_JUICE: ReadonlySet<string> = new Set([
  'apple',
  'orange',
  'red grapefruit',
  'satsuma',
])

/** Whether nobody can tell that `other` is not in a photo of `name`: it may stand on the same shelf. */
export function mayBeBeside(name: string, other: string): boolean {
  if (DAIRY.has(name)) return DAIRY.has(other)
  return name === 'juice' && PRINTED_ON_JUICE.has(other)
}

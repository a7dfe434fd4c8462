/**
 * What a session declares about its inputs and outputs, and the checks of what it is given.
 *
 * Everything is checked before native code runs: ONNX Runtime would name an inner node, we name the tensor. A
 * symbolic dimension takes any size, but the same one wherever its name appears in one run.
 */
import type { DType } from '../core/dtype.ts'
import { ConfigError, ShapeError } from '../core/errors.ts'
import { formatType, type Dim } from '../core/shape.ts'

export type Declared = {
  readonly name: string
  readonly dtype: DType
  /** Symbols are strings; a dimension without a name is '?' and fits anything. */
  readonly shape: readonly Dim[]
}

export type Signature = {
  readonly inputs: readonly Declared[]
  readonly outputs: readonly Declared[]
}

/** What a check needs of a tensor. */
export type Typed = { readonly dtype: DType; readonly shape: readonly number[] }

export type Side = 'input' | 'output' | 'initializer'

/** Throws ConfigError naming every declared tensor that was not given and every given one that is not declared. */
export function checkNames(
  side: Side,
  declared: readonly Declared[],
  given: Readonly<Record<string, unknown>>,
): void {
  const missing = declared.filter(({ name }) => given[name] === undefined)
  const surplus = Object.keys(given).length + missing.length > declared.length
  if (missing.length === 0 && !surplus) return
  const faults = missing.map((tensor) => `${side} ${describe(tensor)} is missing`)
  const unknown = Object.keys(given).filter(
    (name) => !declared.some((known) => known.name === name),
  )
  faults.push(...unknown.map((name) => unknownFault(side, declared, name)))
  throw new ConfigError(
    'CONFIG_RUNTIME_NAMES',
    `runtime: ${faults.join('; ')}; give exactly the ${side}s that the session declares.`,
  )
}

/** Throws ConfigError unless `name` is declared. */
export function checkName(side: Side, declared: readonly Declared[], name: string): void {
  if (declared.some((known) => known.name === name)) return
  throw new ConfigError(
    'CONFIG_RUNTIME_NAMES',
    `runtime: ${unknownFault(side, declared, name)}; bind one of those.`,
  )
}

/** Sizes that symbols take in one run, and who gave them. */
type Sizes = Map<string, { readonly size: number; readonly by: string }>

/** Tensors of one side, in the order of their declarations. */
export type TypeCheck = {
  readonly side: Side
  readonly declared: readonly Declared[]
  readonly given: readonly Typed[]
}

/** Throws ShapeError naming every tensor whose dtype, rank or size does not fit its declaration. */
export function checkTypes(checks: readonly TypeCheck[]): void {
  const faults: string[] = []
  const sizes: Sizes = new Map()
  for (const { side, declared, given } of checks) {
    declared.forEach((type, i) => collectFault(side, type, given[i], sizes, faults))
  }
  if (faults.length > 0)
    throw new ShapeError(
      'SHAPE_FEED',
      `runtime: ${faults.join('; ')}; give tensors of the declared types.`,
    )
}

function collectFault(
  side: Side,
  declared: Declared,
  given: Typed | undefined,
  sizes: Sizes,
  faults: string[],
): void {
  if (given === undefined) throw new Error(`internal: ${side} ${declared.name} was not looked up.`)
  const fits = given.dtype === declared.dtype && given.shape.length === declared.shape.length
  const fault = fits ? sizeFault(declared, given.shape, sizes) : ''
  if (fault === undefined) return
  const came = formatType(given.dtype, given.shape)
  faults.push(`${side} ${describe(declared)} came as ${came}${fault}`)
}

function sizeFault(
  { name, shape }: Declared,
  given: readonly number[],
  sizes: Sizes,
): string | undefined {
  for (let axis = 0; axis < shape.length; axis++) {
    const wanted = shape[axis] as Dim
    const size = given[axis] as number
    if (wanted === size || wanted === '?') continue
    if (typeof wanted === 'number') return ''
    const known = sizes.get(wanted)
    if (known === undefined) sizes.set(wanted, { size, by: name })
    else if (known.size !== size) return ` (${wanted} is ${known.size} in ${known.by})`
  }
  return undefined
}

function unknownFault(side: Side, declared: readonly Declared[], name: string): string {
  return `${side} ${name} is not one of ${declared.map((known) => known.name).join(', ')}`
}

function describe({ name, dtype, shape }: Declared): string {
  return `${name} ${formatType(dtype, shape)}`
}

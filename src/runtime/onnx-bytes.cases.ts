/**
 * ONNX models for tests of the runtime, written byte by byte: the runtime is tested without the graph room's writer.
 *
 * Field numbers are those of onnx.proto3 (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto).
 */
import type { DType } from '../core/dtype.ts'
import type { Dim } from '../core/shape.ts'

const ELEMENT_TYPES: { readonly [D in DType]: number } = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  bfloat16: 16,
}

type Typed = { readonly name: string; readonly dtype: DType; readonly shape: readonly Dim[] }

export type Node = {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly domain?: string
  readonly attributes?: Readonly<Record<string, number>>
}

export type Model = {
  readonly inputs: readonly Typed[]
  readonly outputs: readonly Typed[]
  readonly nodes: readonly Node[]
  /** Declared external, in the file whose place AddInitializer takes. */
  readonly external?: readonly Typed[]
}

export function typed(name: string, dtype: DType, ...shape: readonly Dim[]): Typed {
  return { name, dtype, shape }
}

export function onnxModel(model: Model): Uint8Array {
  const graph = [
    ...model.nodes.map((node) => message(1, nodeBytes(node))),
    text(2, 'test'),
    ...(model.external ?? []).map((tensor) => message(5, externalBytes(tensor))),
    ...model.inputs.map((value) => message(11, valueBytes(value))),
    ...model.outputs.map((value) => message(12, valueBytes(value))),
  ]
  const opset = (domain: string, version: number) => message(8, [text(1, domain), int(2, version)])
  return Uint8Array.from([
    ...int(1, 10),
    ...message(7, graph),
    ...opset('', 21),
    ...opset('com.microsoft', 1),
  ])
}

/** y = x · w (both inputs), `[M,K] · [K,N]`. */
export function matMulModel(m: Dim, k: Dim, n: Dim): Uint8Array {
  return onnxModel({
    inputs: [typed('x', 'float32', m, k), typed('w', 'float32', k, n)],
    outputs: [typed('y', 'float32', m, n)],
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
  })
}

/** y = x · w · w · …, `count` products of `[size,size]`, w external unless `asInput`. */
export function chainModel(size: number, count: number, asInput = false): Uint8Array {
  const w = typed('w', 'float32', size, size)
  const value = (i: number) => (i === 0 ? 'x' : i === count ? 'y' : `h${i}`)
  return onnxModel({
    inputs: [typed('x', 'float32', size, size), ...(asInput ? [w] : [])],
    outputs: [typed('y', 'float32', size, size)],
    external: asInput ? [] : [w],
    nodes: Array.from({ length: count }, (_, i) => ({
      op: 'MatMul',
      inputs: [value(i), 'w'],
      outputs: [value(i + 1)],
    })),
  })
}

function nodeBytes({ op, inputs, outputs, domain = '', attributes = {} }: Node): number[][] {
  return [
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) =>
      message(5, [text(1, name), int(3, value), int(20, 2)]),
    ),
    text(7, domain),
  ]
}

function externalBytes({ name, dtype, shape }: Typed): number[][] {
  const entry = (key: string, value: string) => message(13, [text(1, key), text(2, value)])
  return [
    ...shape.map((dim) => int(1, Number(dim))),
    int(2, ELEMENT_TYPES[dtype]),
    text(8, name),
    entry('location', 'z.bin'),
    int(14, 1),
  ]
}

function valueBytes({ name, dtype, shape }: Typed): number[][] {
  const dims = shape.map((dim) =>
    message(1, [typeof dim === 'number' ? int(1, dim) : text(2, dim)]),
  )
  return [text(1, name), message(2, [message(1, [int(1, ELEMENT_TYPES[dtype]), message(2, dims)])])]
}

function message(field: number, parts: readonly (readonly number[])[]): number[] {
  const body = parts.flat()
  return [...varint(field * 8 + 2), ...varint(body.length), ...body]
}

function text(field: number, value: string): number[] {
  return message(field, [[...new TextEncoder().encode(value)]])
}

function int(field: number, value: number): number[] {
  return [...varint(field * 8), ...varint(value)]
}

function varint(value: number): number[] {
  const bytes = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128)
  return [...bytes, value]
}

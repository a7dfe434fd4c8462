/** The graph language: build, print, lower to a precision, write as ONNX. */
export { Graph, type Node, type TensorType, type Value } from './graph.ts'
export { OPS, type OpAttributes, type OpName } from './ops/index.ts'
export {
  BLOCK_FORMATS,
  lower,
  precisionPolicy,
  type LinearPrecision,
  type LinearWeight,
  type LoweredGraph,
  type LoweringOptions,
  type PrecisionPolicy,
} from './lower.ts'
export { liveParameters, writeOnnx, type OnnxOptions } from './onnx-writer.ts'
export { printGraph } from './print.ts'

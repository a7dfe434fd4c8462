/** Gradients of graphs as graphs: one rule per operator, nothing runs. */
export {
  differentiate,
  keepProducts,
  splitBackward,
  type DifferentiateOptions,
  type KeepPolicy,
  type SplitGraphs,
  type SplitOptions,
} from './differentiate.ts'

/** All parameters of a model that training reads, by path, and which of them are trained. */
import { EMBEDDING } from '../decoder/decoder.ts'
import type { ModelConfig } from '../families/family.ts'
import { IMAGE_NEWLINE } from '../families/parameter-names.ts'
import { Graph, type Value } from '../graph/graph.ts'
import { liveParameters } from '../graph/onnx-writer.ts'
import { lossGraph, restGraph, projectionsGraph } from './decoder-graphs.ts'
import { layerPath } from './decoder-layer.ts'
import { projectorGraph, towerGraph } from './vision-pass.ts'

/** Tower, projector, newline, embeddings, layers, norm and head, in this order. */
export function modelParameters(config: ModelConfig): readonly Value[] {
  const { vision, projector, decoder, image } = config
  const g = new Graph('parameters')
  const add = ({ name, shape, dtype }: Value, path = name) =>
    g.parameter(path, shape as readonly number[], dtype)
  const graphs = vision && projector ? [towerGraph(vision), projectorGraph(projector)] : []
  for (const graph of graphs) liveParameters(graph).forEach((value) => add(value))
  if (image?.hasNewline) g.parameter(IMAGE_NEWLINE, [decoder.hiddenSize])
  g.parameter(EMBEDDING, [decoder.vocabSize, decoder.hiddenSize])
  const layer = [projectionsGraph(decoder), restGraph(decoder)].flatMap(liveParameters)
  for (let index = 0; index < decoder.numLayers; index++) {
    const path = layerPath(index)
    for (const value of layer) add(value, path(value.name))
  }
  liveParameters(lossGraph(decoder)).forEach((value) => add(value))
  return [...g.parameters.values()]
}

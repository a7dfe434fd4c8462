/** Runs a graph on host tensors: what tests of graphs and gradients need. */
import { allocate } from '../src/core/dtype.ts'
import { elementCount } from '../src/core/shape.ts'
import { hostTensor, type HostTensor } from '../src/core/tensor.ts'
import { resolveShape } from '../src/graph/dimension.ts'
import {
  lower,
  writeOnnx,
  type Graph,
  type LoweringOptions,
  type PrecisionPolicy,
} from '../src/graph/index.ts'
import type { Runtime, Session } from '../src/runtime/runtime.ts'

export type HostTensors = Readonly<Record<string, HostTensor>>

/** A graph, in float32 unless said otherwise, whose parameters are inputs: ready to run many times. */
export class GraphRunner {
  readonly #runtime: Runtime
  readonly #graph: Graph
  readonly #session: Session

  private constructor(runtime: Runtime, graph: Graph, session: Session) {
    this.#runtime = runtime
    this.#graph = graph
    this.#session = session
  }

  static async create(
    runtime: Runtime,
    graph: Graph,
    policy: PrecisionPolicy = () => 'f32',
    options: LoweringOptions = {},
  ): Promise<GraphRunner> {
    const lowered = lower(graph, policy, options).graph
    const session = await runtime.createSession(writeOnnx(lowered, { parameters: 'inputs' }))
    return new GraphRunner(runtime, lowered, session)
  }

  /** Values for all inputs and parameters, more are ignored; gives all outputs. */
  async run(values: HostTensors): Promise<Record<string, HostTensor>> {
    const feeds = Object.fromEntries(
      this.#session.inputNames.map((name) => [name, this.#tensor(required(values, name))]),
    )
    const sizes = this.#sizes(values)
    const fetches = Object.fromEntries(
      this.#graph.outputs.map(({ name, value }) => {
        const shape = resolveShape(value.shape, sizes)
        const data = allocate(value.dtype, elementCount(shape))
        return [name, this.#tensor(hostTensor(value.dtype, shape, data))]
      }),
    )
    await this.#session.run(feeds, fetches)
    const results = Object.entries(fetches).map(([name, { dtype, shape, data }]) => {
      return [name, hostTensor(dtype, shape, data.slice())] as const
    })
    for (const tensor of Object.values({ ...feeds, ...fetches })) tensor.dispose()
    return Object.fromEntries(results)
  }

  dispose(): void {
    this.#session.dispose()
  }

  #tensor({ dtype, shape, data }: HostTensor) {
    return this.#runtime.tensor(dtype, shape, data)
  }

  /** What each symbol stands for, read off the inputs. */
  #sizes(values: HostTensors): Map<string, number> {
    const sizes = new Map<string, number>()
    for (const { name, shape } of this.#graph.inputs) {
      shape.forEach((dim, axis) => {
        if (typeof dim === 'string') sizes.set(dim, required(values, name).shape[axis] as number)
      })
    }
    return sizes
  }
}

/** Runs a graph once. */
export async function runGraph(
  runtime: Runtime,
  graph: Graph,
  values: HostTensors,
): Promise<Record<string, HostTensor>> {
  const runner = await GraphRunner.create(runtime, graph)
  try {
    return await runner.run(values)
  } finally {
    runner.dispose()
  }
}

function required(values: HostTensors, name: string): HostTensor {
  const value = values[name]
  if (!value) throw new Error(`internal: no value for ${name}`)
  return value
}

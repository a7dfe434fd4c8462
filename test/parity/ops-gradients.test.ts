/**
 * Results and gradients of single operations against PyTorch's in float64.
 *
 * LLAVA_FIXTURES names a folder with `training/ops`; without it the copy in `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { differentiate } from '../../src/autodiff/index.ts'
import type { HostTensor } from '../../src/core/tensor.ts'
import { Graph, type Value } from '../../src/graph/index.ts'
import { createRuntime } from '../../src/runtime/node.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { openFileBytes, readSafetensors } from '../../src/weights/index.ts'
import { runGraph } from '../run-graph.ts'
import { buildOperation, type Attributes } from './ops-graphs.ts'

const FOLDER = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', 'training', 'ops')

const description = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8')) as {
  tensors: string
  ops: Record<string, Attributes>
}
const source = readSafetensors(openFileBytes(join(FOLDER, description.tensors)))

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => {
  source.close()
  runtime.dispose()
})

for (const [op, attributes] of Object.entries(description.ops)) {
  test(`${op}: result and gradients are PyTorch's`, async () => {
    const inputs = tensorsUnder(`${op}/in/`)
    const graph = operationGraph(op, inputs, attributes)
    const expected = tensorsUnder(`${op}/grad/`)
    const wrt = Object.keys(expected)
    const upstream = { 'gradient.out': source.read(`${op}/grad_out`) }
    const results = await runGraph(runtime, differentiate(graph, { wrt }), {
      ...inputs,
      ...upstream,
    })
    assertClose(results['out'], source.read(`${op}/out`), 'out')
    for (const name of wrt) assertClose(results[`gradient.${name}`], expected[name], `grad/${name}`)
  })
}

function tensorsUnder(prefix: string): Record<string, HostTensor> {
  const names = [...source.tensors.keys()].filter((name) => name.startsWith(prefix))
  return Object.fromEntries(names.map((name) => [name.slice(prefix.length), source.read(name)]))
}

function operationGraph(
  op: string,
  inputs: Readonly<Record<string, HostTensor>>,
  attributes: Attributes,
): Graph {
  const g = new Graph(op)
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape }]): [string, Value] => [
      name,
      g.input(name, dtype, shape),
    ]),
  )
  g.output('out', buildOperation(g, op, { values, tensors: inputs, attributes }))
  return g
}

function assertClose(
  actual: HostTensor | undefined,
  expected: HostTensor | undefined,
  what: string,
) {
  assert.deepEqual(actual?.shape, expected?.shape, what)
  const [came, right] = [actual as HostTensor, expected as HostTensor]
  right.data.forEach((value, i) => {
    const distance = Math.abs(Number(came.data[i]) - Number(value))
    const allowed = 1e-6 + 1e-5 * Math.abs(Number(value))
    assert.ok(distance <= allowed, `${what}[${i}] is ${came.data[i]}, recorded is ${value}`)
  })
}

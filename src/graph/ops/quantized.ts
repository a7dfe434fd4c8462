/** Products with quantised weights, as ONNX Runtime has them. Layouts: `weights/quantize*.ts`. */
import type { Dim } from '../../core/shape.ts'
import { defineOp, expectDtype, expectEqualDims, required } from './definition.ts'

export const quantized = {
  /** x [..., K] quantised as a whole to uint8, times int8 [K, N] with one scale a column, plus bias. */
  DynamicQuantizeMatMul: defineOp({
    domain: 'com.microsoft',
    required: {},
    optional: {},
    infer(inputs) {
      const x = required(inputs, 0)
      const weight = required(inputs, 1)
      expectDtype(weight, 'int8')
      expectEqualDims(x.shape.at(-1), weight.shape[0], 'inner dimensions')
      return [{ dtype: 'float32', shape: [...x.shape.slice(0, -1), weight.shape[1] as Dim] }]
    },
  }),
  /** (a − a_zero)(b − b_zero) scaled by a_scale · b_scale[N]: uint8 [..., K], int8 [K, N] to float32 [..., N]. */
  MatMulIntegerToFloat: defineOp({
    domain: 'com.microsoft',
    required: {},
    optional: {},
    infer(inputs) {
      const a = required(inputs, 0)
      const b = required(inputs, 1)
      expectDtype(a, 'uint8', 'int8')
      expectDtype(b, 'int8')
      expectEqualDims(a.shape.at(-1), b.shape[0], 'inner dimensions')
      return [{ dtype: 'float32', shape: [...a.shape.slice(0, -1), b.shape[1] as Dim] }]
    },
  }),
  /**
   * round(x / scale) + zero point, saturated to the zero point's type; scales run along `axis`. With `block_size` n, scale
   * and zero point have x's shape but for that axis, of which n elements share one: all of it where n is its size.
   */
  QuantizeLinear: defineOp({
    domain: '',
    required: {},
    optional: { axis: 'int', block_size: 'int' },
    infer(inputs) {
      const zero = required(inputs, 2)
      expectDtype(required(inputs, 0), 'float32')
      return [{ dtype: zero.dtype, shape: required(inputs, 0).shape }]
    },
  }),
  DequantizeLinear: defineOp({
    domain: '',
    required: {},
    optional: { axis: 'int', block_size: 'int' },
    infer: (inputs) => [{ dtype: 'float32', shape: required(inputs, 0).shape }],
  }),
  /** x [..., K] times a block-quantised weight [N, K], plus bias [N]. */
  MatMulNBits: defineOp({
    domain: 'com.microsoft',
    required: { K: 'int', N: 'int', bits: 'int', block_size: 'int' },
    optional: { accuracy_level: 'int' },
    infer(inputs, { K, N, bits, block_size: block }) {
      const [x, data] = [required(inputs, 0), required(inputs, 1)]
      expectDtype(x, 'float32')
      expectDtype(data, 'uint8')
      expectEqualDims(x.shape.at(-1), K, 'inner dimensions')
      const wanted = [N, Math.ceil(K / block), (block * bits) / 8]
      wanted.forEach((dim, i) =>
        expectEqualDims(data.shape[i], dim, `axis ${i} of data and blocks`),
      )
      return [{ dtype: 'float32', shape: [...x.shape.slice(0, -1), N] }]
    },
  }),
} as const

/** Products with quantised weights exist after lowering only; before it they are `Linear` and its gradients. */
import type { quantized as ops } from '../../graph/ops/quantized.ts'
import type { RuleTable } from '../rule.ts'

export const quantized: RuleTable<keyof typeof ops> = {
  DynamicQuantizeMatMul: 'refused',
  MatMulIntegerToFloat: 'refused',
  QuantizeLinear: 'refused',
  DequantizeLinear: 'refused',
  MatMulNBits: 'refused',
}

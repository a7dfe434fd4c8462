/** `npm run bench:torch`: training, llava-ts beside torch, row by row. */
import { trainingRows } from './rows/training.ts'
import { runBenchmark } from './run-bench.ts'

await runBenchmark(
  {
    command: 'npm run bench:torch',
    rows: trainingRows,
    products: [
      [640, 4096, 11008],
      [700, 576, 1536],
    ],
  },
  process.argv.slice(2),
)

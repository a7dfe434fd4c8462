/** `npm run bench:peers`: answering, llava-ts beside its peers, row by row. */
import { ROWS } from './rows/index.ts'
import { runBenchmark } from './run-bench.ts'

await runBenchmark(
  {
    command: 'npm run bench:peers',
    rows: ROWS,
    products: [
      [600, 4096, 11008],
      [600, 1152, 4304],
      [600, 1024, 4096],
      [600, 896, 4864],
      [600, 576, 1536],
    ],
  },
  process.argv.slice(2),
)

/** `npm run bench:serve`: many answers at once, and what they share and cost, beside llama.cpp. */
import { servingRows } from './rows/serving.ts'
import { runBenchmark } from './run-bench.ts'

await runBenchmark(
  {
    command: 'npm run bench:serve',
    rows: servingRows,
    products: [
      [600, 4096, 11008],
      [600, 576, 1536],
    ],
  },
  process.argv.slice(2),
)

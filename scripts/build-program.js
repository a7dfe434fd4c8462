/**
 * Builds dist/program, the program `llava` in few files: reading the library's five hundred modules one by one takes
 * longer than many a command.
 *
 * The folder lies as deep as the library's rooms, and the files of its threads lie in it under the names that they have
 * there: what is found by `import.meta.url` is found from both.
 */
import { chmodSync } from 'node:fs'
import { build } from 'rolldown'

const THREADS = {
  'quantize-worker-node': 'dist/weights/quantize-worker-node.js',
  'grammar-thread-node': 'dist/serve/constrained/grammar-thread-node.js',
}

await build({
  input: { main: 'dist/cli/main.js', ...THREADS },
  platform: 'node',
  logLevel: 'warn',
  // Packages stay where they are installed.
  external: /^[^./]/,
  output: {
    dir: 'dist/program',
    cleanDir: true,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  },
})
chmodSync('dist/program/main.js', 0o755)

/**
 * Puts ONNX Runtime's libraries for all platforms into the package that `npm pack` makes.
 *
 * A dependency on onnxruntime-node would be smaller to publish, but its install script fetches CUDA libraries that
 * nothing here uses, and an install fails where it cannot: docs/decisions.md.
 */
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { carriedFile, LIBRARIES } from '../dist/runtime/ort-library.js'

const source = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
rmSync('dist/native', { recursive: true, force: true })
for (const [platform, file] of Object.entries(LIBRARIES)) {
  const target = join('dist', carriedFile(...platform.split('-')))
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(join(source, file), target)
}

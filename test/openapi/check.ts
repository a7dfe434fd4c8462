/**
 * `npm run check:openapi`: schemathesis reads the server's OpenAPI document and asks what it allows and what it forbids.
 *
 *     npm run check:openapi -- --schemathesis FILE [--seconds 120] [--seed 1]
 *
 * It passes if every answer is one that the document tells (status, type, shape), nothing that the document forbids is taken,
 * no key is passed over, nothing is a fault of the server's, and the server lives. What a document cannot say may be refused:
 * ids beyond a model's vocabulary, tools for a model that has none.
 * Outside the default tests: it needs Python with schemathesis.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startServerProcess } from '../hostile/server-process.ts'

const { values } = parseArgs({
  options: {
    schemathesis: { type: 'string', default: 'schemathesis' },
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: '1' },
  },
})
const MODEL = 'fixtures/inference/mini-vit-crop'
const KEY = 'key-of-a-client-0123456789'
/** All but `positive_data_acceptance`. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
  'allow_header_conformance',
  'ignored_auth',
]

const folder = mkdtempSync(join(tmpdir(), 'llava-openapi-'))
const keyFile = join(folder, 'keys')
writeFileSync(keyFile, `somebody ${KEY}\n`)
const server = await startServerProcess(
  `--model ${MODEL} --precision f32 --port 0 --no-page --api-key-file ${keyFile}`.split(' '),
)
const options: Readonly<Record<string, string>> = {
  checks: CHECKS.join(','),
  header: `Authorization: Bearer ${KEY}`,
  'max-time': values.seconds,
  seed: values.seed,
  'request-timeout': '60',
}
const asked = spawnSync(
  values.schemathesis,
  [
    'run',
    `${server.url}/openapi.json`,
    '--continue-on-failure',
    ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
  ],
  { stdio: 'inherit', cwd: folder },
)
const faults = [
  ...(asked.error ? [String(asked.error)] : []),
  ...(asked.status === 0 ? [] : [`schemathesis ended with ${asked.status}`]),
  ...server.faults,
]
const ended = await server.stop()
if (ended !== '0') faults.push(`the server ended with ${ended}`)
rmSync(folder, { recursive: true })
for (const fault of faults) process.stderr.write(`${fault}\n`)
process.exitCode = faults.length > 0 ? 1 : 0

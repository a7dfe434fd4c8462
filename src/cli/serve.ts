/** `llava serve`: the HTTP server with a model in it. */
import { basename } from 'node:path'
import type { Arguments } from './arguments.ts'
import { LOAD_OPTIONS, loadFromFlags } from './load-flags.ts'
import type { Session, Verb } from './verb.ts'

export const serve: Verb = {
  options: [
    {
      name: 'host',
      kind: 'text',
      value: 'address',
      about: 'Address to listen at (default: 127.0.0.1)',
    },
    { name: 'port', kind: 'number', value: 'n', about: 'Port; 0 takes a free one (default: 8080)' },
    {
      name: 'served-name',
      kind: 'text',
      value: 'name',
      about: "What clients call the model (default: its folder's name)",
    },
    ...LOAD_OPTIONS,
  ],
  examples: ['serve --model llava-hf/llava-1.5-7b-hf', 'serve --model FOLDER --port 8000'],
  async run(args, session) {
    const { model, name } = await loadFromFlags(args, session)
    try {
      await serveUntilInterrupted(args, session, { model, name })
    } finally {
      await model.dispose()
    }
  },
}

type Loaded = Pick<Awaited<ReturnType<typeof loadFromFlags>>, 'model' | 'name'>

async function serveUntilInterrupted(
  args: Arguments,
  { terminal, signal }: Session,
  { model, name }: Loaded,
): Promise<void> {
  const { createApp, serveModel } = await import('../serve/http/index.ts')
  const { createLog, listen } = await import('../serve/http-node.ts')
  const id = args.text('served-name') ?? basename(name)
  const app = createApp({
    models: [serveModel(model, id, Date.now())],
    log: createLog(terminal.streams.stderr),
  })
  const server = await listen(app, {
    host: args.text('host') ?? '127.0.0.1',
    port: args.number('port') ?? 8080,
  })
  terminal.note(`${id} at ${server.url}/v1; Ctrl-C stops.`)
  if (terminal.isJson) terminal.json({ url: server.url, model: id })
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await server.close()
}

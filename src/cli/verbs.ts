/** Every verb of the command line. A new one is a file and an entry; the file is read when the verb is called. */
import type { VerbEntry } from './verb.ts'

export const VERBS: readonly VerbEntry[] = [
  {
    name: 'ask',
    places: '[prompt]',
    about: 'One answer about pictures, clips or a text',
    load: async () => (await import('./ask.ts')).ask,
  },
  {
    name: 'chat',
    places: '',
    about: 'A conversation in the terminal',
    load: async () => (await import('./chat.ts')).chat,
  },
  {
    name: 'serve',
    places: '',
    about: "An HTTP server in OpenAI's and Anthropic's words",
    load: async () => (await import('./serve.ts')).serve,
  },
  {
    name: 'label',
    places: '<...inputs>',
    about: 'Questions asked about every picture and clip of a folder, table or shards',
    load: async () => (await import('./label.ts')).labelVerb,
  },
  {
    name: 'launch',
    places: '<engine> [model]',
    about: 'The command that starts SGLang or vLLM with a checkpoint',
    load: async () => (await import('./launch.ts')).launch,
  },
  {
    name: 'inspect',
    places: '<thing>',
    about: 'What a checkpoint, a picture or a prompt is to a model',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    name: 'quantize',
    places: '<model>',
    about: 'The quantised copy that loading makes, made ahead of time',
    load: async () => (await import('./quantize.ts')).quantize,
  },
  {
    name: 'convert',
    places: '[source]',
    about: 'A checkpoint in another layout, adapters and parts merged',
    load: async () => (await import('./convert.ts')).convert,
  },
  {
    name: 'assemble',
    places: '<decoder>',
    about: 'A new model to train: a language model, a tower, a fresh projector',
    load: async () => (await import('./assemble.ts')).assemble,
  },
  {
    name: 'pack',
    places: '<base>',
    about: 'A base and what was trained on it as one small folder',
    load: async () => (await import('./pack.ts')).pack,
  },
  {
    name: 'train',
    places: '<recipe>',
    about: 'Alignment, instruction or preferences, by a recipe',
    load: async () => (await import('./train.ts')).train,
  },
  {
    name: 'data',
    places: '<action> [data]',
    about: 'Data sets checked, shown as training sees them, mixed',
    load: async () => (await import('./data.ts')).data,
  },
  {
    name: 'eval',
    places: '[...benchmarks]',
    about: 'Benchmarks asked of a model, scored, compared and reported',
    load: async () => (await import('./eval.ts')).evaluation,
  },
  {
    name: 'score',
    places: '<benchmark>',
    about: 'Numbers and submissions from the answers to a benchmark',
    load: async () => (await import('./score.ts')).score,
  },
  {
    name: 'bench',
    places: '',
    about: 'Speed and memory of this machine with a model',
    load: async () => (await import('./bench.ts')).bench,
  },
]

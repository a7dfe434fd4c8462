/** What a checkpoint's files say about its text: the chat template and the ids that end an answer. */
import type { CheckpointDocuments, FamilyOptions, PromptConfig } from './family.ts'
import { isObject, JsonReader } from './json-reader.ts'
import { contentForms } from '../text/content-forms.ts'
import { conversationMode } from '../text/conversation.ts'

/**
 * The template that a caller or the files name: a conversation mode, or Jinja text. A checkpoint keeps it in files of its
 * processor or its tokenizer, as one text or as several with names. Throws ConfigError for a mode that there is not.
 */
export function templateOf(
  { files }: CheckpointDocuments,
  { template }: FamilyOptions,
  readBy: Reader = 'processor',
): PromptConfig | null {
  if (template !== undefined) {
    // Without a tag of Jinja's it would say the same to every conversation: it is a mode, or a misspelt one.
    return /\{[{%]/.test(template)
      ? templatePrompt(template, readBy)
      : { kind: 'conversation', mode: knownMode(template), wrapImage: false }
  }
  for (const name of TEMPLATE_FILES[readBy]) {
    const found = templateText(files.get(name))
    if (found !== null) return templatePrompt(found, readBy)
  }
  return null
}

/**
 * Where transformers looks, the first that has one counts: `ProcessorMixin.get_processor_dict`, and
 * `PreTrainedTokenizerBase._from_pretrained` for a language model alone. Each goes on to the other's files, as there a
 * user would by hand.
 * Source: transformers 5.23 `processing_utils.py`, `tokenization_utils_base.py`.
 */
const TEMPLATE_FILES = {
  processor: [
    'processor_config.json',
    'chat_template.json',
    'chat_template.jinja',
    'tokenizer_config.json',
  ],
  tokenizer: [
    'chat_template.jinja',
    'tokenizer_config.json',
    'processor_config.json',
    'chat_template.json',
  ],
} as const

/** Whose template it is: that of a model with eyes, or of a language model alone. */
type Reader = keyof typeof TEMPLATE_FILES

/** What templates read that show their words in neither form. */
const USUAL_FORM = { processor: 'parts', tokenizer: 'text' } as const

/** A Jinja template with the forms in which it reads messages. */
export function templatePrompt(template: string, readBy: Reader = 'processor'): PromptConfig {
  return { kind: 'template', template, content: contentForms(template, USUAL_FORM[readBy]) }
}

function knownMode(name: string): string {
  conversationMode(name)
  return name
}

/** A blank template would say nothing of any conversation: it is none. */
function templateText(file: unknown): string | null {
  const text = defaultOf(isObject(file) ? file['chat_template'] : file)
  return typeof text === 'string' && text.trim() !== '' ? text : null
}

/** Of several templates, listed or by their names, the one called `default`. */
function defaultOf(value: unknown): unknown {
  if (isObject(value)) return value['default']
  if (!Array.isArray(value)) return value
  const named: unknown = value.find((item) => isObject(item) && item['name'] === 'default')
  return isObject(named) ? named['template'] : null
}

/** Ids that end an answer: generation_config.json's, else the model config's. */
export function endTokens({ files }: CheckpointDocuments, config: JsonReader): readonly number[] {
  const generation = files.get('generation_config.json')
  for (const json of [
    isObject(generation) ? new JsonReader('generation_config.json', generation) : null,
    config,
  ]) {
    if (json?.has('eos_token_id')) return json.integers('eos_token_id', [])
  }
  return []
}

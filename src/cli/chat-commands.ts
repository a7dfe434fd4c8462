/** What begins with a slash in a chat: words to the program and not to the model. */
import { homedir } from 'node:os'
import type { Message, Model } from '../index.ts'
import { InputError } from '../core/errors.ts'
import { readImageFile } from '../preprocess/node.ts'
import { isLeftLying } from '../preprocess/orient-image.ts'
import { probeImage } from '../preprocess/probe-image.ts'
import type { Conversation } from './conversation.ts'
import { clipNotes } from './note-clips.ts'
import { orientationNote } from './note-orientation.ts'
import type { Terminal } from './terminal.ts'

export type ChatContext = {
  readonly model: Model
  readonly conversation: Conversation
  readonly terminal: Terminal
  readonly isOrienting: boolean
}

type Command = {
  readonly usage: string
  readonly about: string
  /** Returns 'exit' to end the conversation. */
  run(argument: string, context: ChatContext): Promise<'exit' | void> | 'exit' | void
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  image: {
    usage: '/image FILE',
    about: 'adds a picture to the next question',
    run: addImage,
  },
  video: {
    usage: '/video FILE',
    about: 'adds a clip to the next question',
    run: addVideo,
  },
  reset: {
    usage: '/reset',
    about: 'forgets everything said and shown',
    run(_, { conversation, terminal }) {
      conversation.reset()
      terminal.note('A new conversation.')
    },
  },
  help: {
    usage: '/help',
    about: 'shows this',
    run(_, { terminal }) {
      const commands = Object.values(COMMANDS)
      for (const { usage, about } of commands) terminal.note(`  ${usage.padEnd(12)} ${about}`)
      terminal.note('  A line that ends with \\ goes on in the next. Ctrl-C stops an answer.')
    },
  },
  exit: { usage: '/exit', about: 'ends the program; so do /quit and Ctrl-D', run: () => 'exit' },
  quit: { usage: '/quit', about: 'ends the program', run: () => 'exit' },
}

/** The command and argument of a line, or null for words to the model. A path is no command. */
export function commandOf(line: string): { name: string; argument: string } | null {
  const [, name, argument = ''] = /^\/([a-z]+)(?:\s+(.*))?$/s.exec(line) ?? []
  return name === undefined ? null : { name, argument: argument.trim() }
}

async function addImage(argument: string, context: ChatContext): Promise<void> {
  const { model, conversation, terminal, isOrienting } = context
  const file = pathOf(argument)
  const { image } = model.config
  if (!image) {
    throw new InputError(
      'INPUT_IMAGE_UNSUPPORTED',
      'this model takes text only; pictures need a checkpoint with a vision tower.',
    )
  }
  const bytes = await readImageFile(file)
  const isLying = isLeftLying(probeImage(bytes), isOrienting)
  const images = [...conversation.images, file]
  const { width, height, tokens } = await measured(images, model)
  conversation.addImage(file)
  const { severalPictures, tiling } = image.tokens
  const isAsOthers = images.length > 1 && severalPictures === 'single' && tiling.kind !== 'none'
  const others = isAsOthers ? `, as each of the ${images.length} pictures now` : ''
  terminal.note(
    `${file}: ${width} × ${height}, ${tokens} tokens${others}; it goes with your next question.`,
  )
  if (isLying) terminal.note(orientationNote([file]))
}

/** The last of the pictures, in one conversation with the others. */
async function measured(
  images: readonly string[],
  model: Model,
): Promise<{ readonly width: number; readonly height: number; readonly tokens: number }> {
  const content = images.map((image) => ({ type: 'image', image }) as const)
  const { media } = await model.measureMedia({ messages: [{ role: 'user', content }] })
  const last = media.at(-1)
  if (last?.kind !== 'image') throw new Error('internal: a picture was measured and is not there')
  return last
}

async function addVideo(argument: string, context: ChatContext): Promise<void> {
  const { model, conversation, terminal } = context
  const file = pathOf(argument)
  const part = { type: 'video' as const, video: file, ...conversation.sampling }
  const messages: Message[] = [{ role: 'user', content: [part] }]
  const [note] = await clipNotes(model, { messages }, [file])
  conversation.addVideo(file)
  terminal.note(`${note}; it goes with your next question.`)
}

/** As terminals paste dropped files: in quotes, or with spaces escaped. */
function pathOf(argument: string): string {
  const [, , inQuotes] = /^(['"])(.*)\1$/s.exec(argument) ?? []
  const path = inQuotes ?? argument.replace(/\\(.)/g, '$1')
  if (path === '') throw new InputError('INPUT_OPTION', 'give a file: /image photo.jpg')
  return path.replace(/^~(?=\/)/, homedir())
}

/**
 * The state of the page and everything that changes it. Views show `state` and call the methods; each change makes a new
 * `state` and tells whoever subscribed.
 */
import { ApiFailure, storedKey, storeKey } from '../api/client.ts'
import { measureMedia, type MediumCost } from '../api/media-tokens.ts'
import { listModels, type ServedModel } from '../api/models.ts'
import { namedFailure } from '../api/named-failure.ts'
import { askModel } from './ask-model.ts'
import { History, type StoredMedium } from './history.ts'
import { MediaStore } from './media-store.ts'
import { promptNames, promptTurns } from './prompt.ts'
import { settingsFault } from './settings-fault.ts'
import { isJsonForm, requestOptions, type Settings } from './settings.ts'
import { loadSettings, storeSettings } from './stored-settings.ts'
import { joinTabs, type TabNote } from './tabs.ts'
import {
  emptyConversation,
  mediaOf,
  newId,
  titleOf,
  type AnswerTurn,
  type Conversation,
  type Medium,
  type Turn,
  type UserTurn,
} from './turns.ts'

export type Connection =
  | { readonly status: 'connecting' | 'ready' }
  | { readonly status: 'key'; readonly isWrong: boolean }
  | { readonly status: 'down'; readonly message: string }

export type ChatState = {
  readonly connection: Connection
  readonly models: readonly ServedModel[]
  readonly settings: Settings
  /** Those with something in them, the latest first. */
  readonly conversations: readonly Conversation[]
  readonly current: Conversation
  /** Attached and not sent yet. */
  readonly draft: readonly Medium[]
  /** What pictures and clips cost, by their ids. */
  readonly costs: ReadonlyMap<string, MediumCost>
  /** What is wrong with what is attached. */
  readonly mediaFault: string | null
  /** Conversations that an answer is under way in. */
  readonly running: ReadonlySet<string>
  readonly isHistoryKept: boolean
  /** What is said to those who listen instead of looking. */
  readonly announcement: string
}

export class Chat {
  state: ChatState
  readonly media = new MediaStore()
  readonly #listeners = new Set<() => void>()
  /** Answers under way, by their conversations. */
  readonly #answering = new Map<string, Answering>()
  /** Answers under way in other tabs. */
  readonly #elsewhere = new Set<string>()
  /** What is still under way in them is neither shown nor kept. */
  readonly #deleted = new Set<string>()
  #history: History | null = null
  #tell: (note: TabNote) => void = () => {}
  #measuring = new AbortController()
  /** Of what was measured last, or is now. */
  #measured = ''

  constructor() {
    this.state = {
      connection: { status: 'connecting' },
      models: [],
      settings: loadSettings(),
      conversations: [],
      current: emptyConversation(Date.now()),
      draft: [],
      costs: new Map(),
      mediaFault: null,
      running: new Set(),
      isHistoryKept: true,
      announcement: '',
    }
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #set(change: Partial<ChatState>): void {
    this.state = { ...this.state, ...change }
    for (const listener of this.#listeners) listener()
  }

  async start(): Promise<void> {
    await Promise.all([this.#openHistory(), this.connect()])
  }

  async #openHistory(): Promise<void> {
    try {
      this.#history = await History.open()
      this.media.attach(this.#history)
      this.#tell = joinTabs((note) => void this.#try(() => this.#hear(note)))
      this.#showAll(await this.#history.conversations())
      this.#tell({ kind: 'opened' })
      addEventListener('pagehide', () => {
        for (const [id, { answer }] of this.#answering) this.#tell({ kind: 'left', id, answer })
      })
    } catch {
      this.#set({ isHistoryKept: false })
    }
  }

  /** Beside those that a question or another tab has brought here meanwhile. */
  #showAll(stored: readonly Conversation[]): void {
    const shown = this.state.conversations
    const others = stored.filter(({ id }) => !shown.some((one) => one.id === id))
    const conversations = [...shown, ...others.map((one) => ended(one, () => false))]
    this.#set({ conversations: conversations.sort(latestFirst) })
  }

  /** Asks what is served, which is also how a key is tried. */
  async connect(): Promise<void> {
    try {
      const models = await listModels()
      this.#set({ connection: { status: 'ready' }, models })
      void this.#measure()
    } catch (error) {
      this.#fail(error)
    }
  }

  useKey(key: string | null): Promise<void> {
    storeKey(key)
    return this.connect()
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof ApiFailure && error.isKeyWanted) {
      this.#set({ connection: { status: 'key', isWrong: storedKey() !== null } })
    } else this.#set({ connection: { status: 'down', message } })
  }

  /** The one that answers, of those that are served. */
  get model(): ServedModel | undefined {
    const { models, settings } = this.state
    return models.find(({ id }) => id === settings.model) ?? models[0]
  }

  /** Whether a question can be sent now: there is a model, it is at rest, and the settings can be sent. */
  get canAsk(): boolean {
    const { current, settings, connection } = this.state
    const isReady = connection.status === 'ready' && this.model !== undefined
    return isReady && !this.#answering.has(current.id) && settingsFault(settings) === null
  }

  setSettings(change: Partial<Settings>): void {
    const settings = { ...this.state.settings, ...change }
    storeSettings(settings)
    this.#set({ settings })
    if (change.model !== undefined) void this.#measure()
  }

  announce(announcement: string): void {
    this.#set({ announcement })
  }

  // Conversations

  begin(): void {
    this.#set({ current: emptyConversation(Date.now()), costs: new Map() })
    void this.#measure()
  }

  open(id: string): void {
    const current = this.state.conversations.find((one) => one.id === id)
    if (!current) return
    this.#set({ current, costs: new Map() })
    void this.#measure()
  }

  async remove(id: string): Promise<void> {
    this.#forget([id])
    this.announce('Conversation deleted')
    await this.#history?.remove(id)
    this.#tell({ kind: 'removed' })
  }

  async removeAll(): Promise<void> {
    this.#forget(this.state.conversations.map(({ id }) => id))
    this.announce('All conversations deleted')
    await this.#history?.clear()
    // Another tab may have added one meanwhile.
    await this.#forgetGone()
    this.#tell({ kind: 'removed' })
  }

  /** They are shown no longer, and what is under way in them ends. */
  #forget(ids: readonly string[]): void {
    for (const id of ids) {
      this.#deleted.add(id)
      this.stop(id)
    }
    const conversations = this.state.conversations.filter(({ id }) => !ids.includes(id))
    this.#set({ conversations })
    if (ids.includes(this.state.current.id)) this.begin()
  }

  /** As `#forget`, where another tab did it. */
  #forgetDeleted(ids: readonly string[]): void {
    const isOpen = ids.includes(this.state.current.id)
    this.#forget(ids)
    if (isOpen) this.announce('Conversation deleted in another tab')
  }

  async #forgetGone(): Promise<void> {
    const history = this.#history
    const stored = await history?.ids()
    if (!history || !stored) return
    const gone = this.state.conversations.filter(({ id }) => history.isGone(id, stored))
    if (gone.length > 0) this.#forgetDeleted(gone.map(({ id }) => id))
  }

  #find(id: string): Conversation | undefined {
    const { conversations, current } = this.state
    return current.id === id ? current : conversations.find((one) => one.id === id)
  }

  /** Shows a conversation as it is now. */
  #show(conversation: Conversation): void {
    if (this.#deleted.has(conversation.id)) return
    const { conversations, current } = this.state
    const others = conversations.filter(({ id }) => id !== conversation.id)
    this.#set({
      conversations: [conversation, ...others].sort(latestFirst),
      ...(current.id === conversation.id && { current: conversation }),
    })
    if (idsOf(this.#prompted) !== this.#measured) void this.#measure()
  }

  #showAnswer(conversation: string, answer: AnswerTurn): void {
    const shown = this.#find(conversation)
    if (!shown) return
    const turns = shown.turns.map((turn) => (turn.id === answer.id ? answer : turn))
    this.#show({ ...shown, turns })
  }

  /** Shows what is stored of a conversation, with what is not stored yet. */
  #join(stored: Conversation): void {
    const mine = this.#find(stored.id)
    const merged = mine && this.#history ? this.#history.merged(stored, mine) : stored
    const own = this.#answering.get(stored.id)
    const isAlive = (answer: string) => answer === own?.answer || this.#elsewhere.has(answer)
    this.#show(ended(merged, isAlive))
    // Another tab asks something else in the place of it.
    if (own && !merged.turns.some(({ id }) => id === own.answer)) own.stop.abort()
  }

  async #hear(note: TabNote): Promise<void> {
    switch (note.kind) {
      case 'opened':
        for (const id of this.#answering.keys()) this.#tellChange(id)
        return
      case 'removed':
        return this.#forgetGone()
      case 'changed':
        if (note.answer !== null) this.#elsewhere.add(note.answer)
        break
      case 'left':
        this.#elsewhere.delete(note.answer)
    }
    const stored = await this.#history?.conversation(note.id)
    if (stored) this.#join(stored)
  }

  #tellChange(id: string): void {
    this.#tell({ kind: 'changed', id, answer: this.#answering.get(id)?.answer ?? null })
  }

  /** Keeps a conversation as it is shown; one that another tab deleted goes here too. */
  async #keep(id: string, media: readonly StoredMedium[] = []): Promise<void> {
    await this.#try(async (history) => {
      const mine = this.#find(id)
      if (!mine) return
      const stored = await history.save(mine, media)
      if (!stored) return this.#forgetDeleted([id])
      this.#join(stored)
      this.#tellChange(id)
    })
  }

  /** A browser that has no room any more keeps nobody from talking on; it is said that nothing is kept. */
  async #try(act: (history: History) => Promise<void>): Promise<void> {
    if (!this.#history) return
    await act(this.#history).catch(() => this.#set({ isHistoryKept: false }))
  }

  // Pictures and clips

  async attach(files: readonly File[]): Promise<void> {
    const media = await this.mediaOfFiles(files)
    this.#set({ draft: [...this.state.draft, ...media] })
    if (media.length > 0) await this.#measure(this.state.mediaFault)
  }

  /** Those that are neither pictures nor clips are named, and left out. */
  async mediaOfFiles(files: readonly File[]): Promise<Medium[]> {
    const media = await Promise.all(files.map((file) => this.media.add(file)))
    const strange = files.filter((_, i) => media[i] === null).map(({ name }) => name)
    const fault = strange.length > 0 ? `${strange.join(', ')}: neither a picture nor a clip.` : null
    this.#set({ mediaFault: fault })
    return media.filter((one) => one !== null)
  }

  detach(id: string): void {
    this.#set({ draft: this.state.draft.filter((one) => one.id !== id) })
    void this.#measure()
  }

  /** What the next question shows the model, or the one that is answered now. */
  get #prompted(): readonly Medium[] {
    const { current, draft } = this.state
    return [...mediaOf(promptTurns(current.turns)), ...draft]
  }

  /** The costs of all that a prompt has: they depend on how many pictures that is. */
  async #measure(fault: string | null = null): Promise<void> {
    const media = this.#prompted
    this.#measured = idsOf(media)
    this.#measuring.abort()
    const { signal } = (this.#measuring = new AbortController())
    const { model } = this
    if (!model || media.length === 0) {
      this.#set({ mediaFault: fault })
      return
    }
    try {
      const content = await this.media.content(media)
      const measured = await measureMedia(model.id, content, signal)
      const costs = media.flatMap(({ id }, i) => {
        const cost = measured[i]
        return cost ? [[id, cost] as const] : []
      })
      if (!signal.aborted) this.#set({ costs: new Map(costs), mediaFault: fault })
    } catch (error) {
      if (signal.aborted) return
      // A model behind another server: what its pictures cost nobody here knows.
      const isUntold = error instanceof ApiFailure && error.code === 'INPUT_UNSUPPORTED'
      const names = media.map(({ name }) => name)
      const faults = [fault, isUntold ? null : namedFailure(error as Error, [names])]
      this.#set({ mediaFault: faults.filter((one) => one !== null).join(' ') || null })
    }
  }

  // Questions and answers

  async send(text: string): Promise<void> {
    const { current, draft } = this.state
    const isEmpty = text.trim() === '' && draft.length === 0
    if (isEmpty || !this.canAsk) return
    const turn: UserTurn = { role: 'user', id: newId(), text, media: draft }
    this.#set({ draft: [] })
    await this.#ask(current, [...current.turns, turn])
  }

  /** Asks again for an answer, in the place of that one and what came after it. */
  async retry(answerId: string): Promise<void> {
    const { current } = this.state
    const at = current.turns.findIndex(({ id }) => id === answerId)
    if (at > 0) await this.#ask(current, current.turns.slice(0, at))
  }

  /** Says something else in the place of a question and what came after it. */
  async edit(questionId: string, text: string, media: readonly Medium[]): Promise<void> {
    const { current } = this.state
    const at = current.turns.findIndex(({ id }) => id === questionId)
    const turn: UserTurn = { role: 'user', id: newId(), text, media }
    if (at >= 0) await this.#ask(current, [...current.turns.slice(0, at), turn])
  }

  stop(conversation: string = this.state.current.id): void {
    this.#answering.get(conversation)?.stop.abort()
  }

  async #ask(conversation: Conversation, turns: readonly Turn[]): Promise<void> {
    const { model } = this
    const { settings } = this.state
    if (!model || !this.canAsk) return
    const { id } = conversation
    const answer: AnswerTurn = {
      role: 'assistant',
      id: newId(),
      text: '',
      state: 'running',
      model: model.id,
      options: requestOptions(settings, Math.floor(Math.random() * 1e9)),
      isJson: isJsonForm(settings),
    }
    const stop = new AbortController()
    this.#answering.set(id, { answer: answer.id, stop })
    this.#set({ running: new Set(this.#answering.keys()), announcement: 'Answering' })
    this.#history?.replace(conversation.turns.filter((turn) => !turns.includes(turn)))
    const title = titleOf(turns)
    this.#show({ ...conversation, title, updated: Date.now(), turns: [...turns, answer] })
    try {
      await this.#keep(id, await this.media.stored(mediaOf(turns), id))
      const asking = { turns, system: settings.system, store: this.media, signal: stop.signal }
      const isDue = every(SAVE_MS)
      const given = await askModel(answer, asking, (part) => {
        this.#showAnswer(id, part)
        if (isDue()) void this.#keep(id)
      })
      this.#showAnswer(id, given)
      if (this.#find(id)) this.#announceAnswer(given)
    } catch (error) {
      const failure = namedFailure(error as Error, promptNames(turns, settings.system))
      this.announce(`No answer: ${failure}`)
      this.#showAnswer(id, { ...answer, state: 'failed', failure })
      // The server that was started again may have another model, or want another key.
      if (error instanceof ApiFailure && [401, 404].includes(error.status)) await this.connect()
    } finally {
      this.#answering.delete(id)
      this.#set({ running: new Set(this.#answering.keys()) })
      await this.#keep(id)
    }
  }

  #announceAnswer({ state, text }: AnswerTurn): void {
    this.announce(state === 'stopped' ? 'Stopped' : `Answer: ${text}`)
  }
}

/** The id of the answer, and what ends it. */
type Answering = { readonly answer: string; readonly stop: AbortController }

function idsOf(media: readonly Medium[]): string {
  return media.map(({ id }) => id).join()
}

function latestFirst(a: Conversation, b: Conversation): number {
  return b.updated - a.updated
}

/** An answer that grows is kept so often; a page that is closed loses what came after that. */
const SAVE_MS = 500

/** True when it is asked for the first time after each so many milliseconds. */
function every(ms: number): () => boolean {
  let last = performance.now()
  return () => {
    const now = performance.now()
    if (now - last < ms) return false
    last = now
    return true
  }
}

/** A page that was closed in the middle of an answer has what was kept of it. */
function ended(conversation: Conversation, isAlive: (answer: string) => boolean): Conversation {
  return {
    ...conversation,
    turns: conversation.turns.map((turn) =>
      turn.role === 'assistant' && turn.state === 'running' && !isAlive(turn.id)
        ? { ...turn, state: 'stopped' }
        : turn,
    ),
  }
}

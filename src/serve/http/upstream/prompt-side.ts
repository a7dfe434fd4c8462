/** What a server knows of a checkpoint whose weights are elsewhere: its prompts and their tokens. */
import type { LocalModel } from '../served-model.ts'

/** All of a model but what runs it. */
export type PromptSide = Omit<LocalModel, 'stream' | 'stats' | 'autoOrient'>

export { Tokenizer, type DecodeOptions, type EncodeOptions } from './tokenizer.ts'
export { loadTokenizer, type LoadTokenizerOptions } from './node.ts'
export { tokenizerFromJson } from './tokenizer-json.ts'
export { tokenizerFromSentencePiece, type SpaceRule } from './sentencepiece.ts'
export { tokenizerFromGguf } from './tokenizer-gguf.ts'
export { LLAMA3, tokenizerFromTiktoken, type TiktokenOptions } from './tokenizer-tiktoken.ts'
export { IMAGE_TOKEN_INDEX, tokenizePrompt, type TokenizePromptOptions } from './tokenize-prompt.ts'
export type { TokenizerFiles } from './tokenizer-config.ts'
export type { AddedToken } from './tokenizer-added.ts'
export type { DetokenizerStream, StreamOptions } from './detokenizer-stream.ts'
export {
  maskFromSpans,
  parseChatTemplate,
  renderChat,
  renderChatWithSpans,
  type ChatMessage,
  type ChatOptions,
  type ChatPart,
  type ChatTemplate,
  type RenderedChat,
} from './chat-template.ts'
export {
  conversationMode,
  conversationStop,
  isConversationMode,
  renderConversation,
  type ConversationOptions,
  type ConversationStop,
  type Turn,
} from './conversation.ts'
export { CONVERSATION_MODES, type ConversationMode, type Repository } from './conversation-modes.ts'
export { conversationModeOf, demoModeOf, trainingModeOf } from './conversation-choice.ts'
export { normaliseImageTags, type ImageTagOptions } from './conversation-image-tags.ts'
export {
  IGNORE_INDEX,
  labelConversation,
  type LabelledConversation,
  type LabelOptions,
  type LabelTokenizer,
} from './label-conversation.ts'
export type { TemplateLimits } from './jinja/limits.ts'
export { maskGenerated, tokenOffsets, type OffsetTokenizer } from './token-offsets.ts'
export { timeInstruction } from './time-instruction.ts'

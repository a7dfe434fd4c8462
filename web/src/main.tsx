/** The page begins here. */
import { render } from 'preact'
import { App } from './app.tsx'
import { Chat } from './state/chat.ts'
import './style/page.css'
import './style/conversation.css'
import './style/composer.css'
import './style/panels.css'
import { ChatProvider } from './view/use-chat.ts'

const chat = new Chat()
void chat.start()
render(
  <ChatProvider value={chat}>
    <App />
  </ChatProvider>,
  document.getElementById('app') as HTMLElement,
)

/** Every picture needs a place in the prompt, and every place a picture. */
import { InputError } from '../core/errors.ts'

export type MediaCount = {
  /** Placeholders in the prompt, before they are repeated for each token. */
  readonly places: number
  /** Pictures or clips that came with it. */
  readonly given: number
}

/** Throws InputError INPUT_IMAGE_PLACES or INPUT_VIDEO_PLACES where the numbers differ. */
export function checkMediaPlaces(images: MediaCount, videos: MediaCount): void {
  const areBothWrong = images.places !== images.given && videos.places !== videos.given
  if (areBothWrong) {
    throw new InputError(
      'INPUT_IMAGE_PLACES',
      `sequence: the prompt has ${placesText('image', images)}, and ${placesText('video', videos)}; ${adviceOf(images, videos)}.`,
    )
  }
  checkPlaces('image', 'INPUT_IMAGE_PLACES', images)
  checkPlaces('video', 'INPUT_VIDEO_PLACES', videos)
}

/** The original has one tag for both; a prompt that was written for it names the wrong one here. */
function adviceOf(images: MediaCount, videos: MediaCount): string {
  if (images.places > images.given && videos.places < videos.given) {
    return 'in this model a clip stands at <video>'
  }
  if (images.places < images.given && videos.places > videos.given) {
    return 'in this model a picture stands at <image>'
  }
  return 'send one image per image placeholder and one video per video placeholder'
}

function checkPlaces(word: 'image' | 'video', code: string, count: MediaCount): void {
  if (count.places === count.given) return
  throw new InputError(
    code,
    `sequence: the prompt has ${placesText(word, count)}; send one ${word} per placeholder.`,
  )
}

function placesText(word: 'image' | 'video', { places, given }: MediaCount): string {
  return `${counted(places, `${word} placeholder`)} but ${counted(given, word)} came with it`
}

/** The same where one placeholder marks both. */
export function checkSharedPlaces({ places, given }: MediaCount): void {
  if (places === given) return
  const came = given === 1 ? '1 picture or clip' : `${given} pictures and clips`
  throw new InputError(
    'INPUT_IMAGE_PLACES',
    `sequence: the prompt has ${counted(places, 'placeholder')} but ${came} came with it; ` +
      'send one picture or clip per placeholder.',
  )
}

function counted(count: number, word: string): string {
  return `${count === 0 ? 'no' : count} ${word}${count === 1 ? '' : 's'}`
}

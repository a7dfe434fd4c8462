/**
 * Words to draw and to read: common English, three to eight letters.
 *
 * About one in eight is never drawn for training, so that a test can tell reading from knowing the words.
 */
import { hashText } from './lots.ts'

const WORDS: readonly string[] = `
  man one act new add way art car end mat day met sit cap top leg air law bus due old try lab low
  say key run why men put age far ill war log ask big job pay cut pie red sun yet oil bar fat dog
  gas max mom six tax eat ago fit bit bad eye got hot mix sea saw won ten egg web ice mud box born
  fix map pet cry rat pen hop bed row buy win kid pal arm aid god hit ban raw bow wet pig sky kit
  rub bot ear fly tap cup tea pup boy tag inn ran joy cat hat have more also part self when time
  know like year help what need work most many used only exam well high even form sign just make
  data call then each long read lead hist fact test life very find back both writ does grow much
  main food good made said show same care less down take play body must plan want cell pass real
  hand list feel open mean keep best name home move mark look type rest here pain area last turn
  risk mill land case head post come text cost able view else hard line tool role their which
  other about these under there would first child learn where could every world water years those
  while found count after using being right level study great start might class often power again
  small allow quest human treat state point build three elect known chang still place light stand
  among large think group means based women early print avail since local along value order occur
  times areas cause major model press plant until young works exist today given range short space
  heart later needs words paper field begin story types makes going super never brain above event
  least sound people import system health should result effect during return person follow before
  school within around design called number though common social govern method public change
  better report become energy others direct create proper things family object access making
  impact period across toward course intern future second always levels strong little amount
  author having parent expect appear issues enough likely record employ higher growth plants
  unique ground groups modern affect really rather became reason nature detail global simple
  regard living single source either aspect engine online market needed action reduce target
  through develop between because process example support without another present project product
  include various history perform against control provide several current program success certain
  problem systems prevent species natural complex country results percent similar working concept
  improve changes require whether usually address further protect account students children
  research material learning interest function together possible specific addition consider
  language problems business question increase physical maintain personal practice building
  patients interact required activity analysis products evidence actually
`
  .trim()
  .split(/\s+/)

const HELD_OUT_SHARE = 8

const isHeldOut = (word: string) => hashText(`word/${word}`) % HELD_OUT_SHARE === 0

export const TRAINED_WORDS: readonly string[] = WORDS.filter((word) => !isHeldOut(word))
export const HELD_OUT_WORDS: readonly string[] = WORDS.filter(isHeldOut)

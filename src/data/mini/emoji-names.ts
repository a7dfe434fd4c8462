/**
 * Names and sorts of the emoji that the mini model learns, by the code points in their file names.
 *
 * Names: Unicode CLDR short names as in emojibase-data 17.0.0 (MIT), "face" left out of animals' names and "clock at"
 * put before times; sorts: its subgroups, without what belongs to none of ours.
 */
export const EMOJI: Readonly<Record<string, string>> = {
  face: `
    1f600 grinning face
    1f603 grinning face with big eyes
    1f604 grinning face with smiling eyes
    1f601 beaming face with smiling eyes
    1f606 grinning squinting face
    1f605 grinning face with sweat
    1f602 face with tears of joy
    1f642 slightly smiling face
    1f643 upside-down face
    1fae0 melting face
    1f609 winking face
    1f60a smiling face with smiling eyes
    1f607 smiling face with halo
    1f970 smiling face with hearts
    1f60d smiling face with heart-eyes
    1f618 face blowing a kiss
    1f617 kissing face
    263a smiling face
    1f61a kissing face with closed eyes
    1f619 kissing face with smiling eyes
    1f972 smiling face with tear
    1f60b face savoring food
    1f61b face with tongue
    1f61c winking face with tongue
    1f92a zany face
    1f61d squinting face with tongue
    1f911 money-mouth face
    1f917 smiling face with open hands
    1f92d face with hand over mouth
    1fae2 face with open eyes and hand over mouth
    1fae3 face with peeking eye
    1f92b shushing face
    1f914 thinking face
    1fae1 saluting face
    1f910 zipper-mouth face
    1f928 face with raised eyebrow
    1f610 neutral face
    1f611 expressionless face
    1f636 face without mouth
    1f636_200d_1f32b face in clouds
    1f60f smirking face
    1f612 unamused face
    1f644 face with rolling eyes
    1f62c grimacing face
    1f62e_200d_1f4a8 face exhaling
    1f925 lying face
    1fae8 shaking face
    1f642_200d_2194 head shaking horizontally
    1f642_200d_2195 head shaking vertically
    1f60c relieved face
    1f614 pensive face
    1f62a sleepy face
    1f924 drooling face
    1f634 sleeping face
    1fae9 face with bags under eyes
    1f637 face with medical mask
    1f912 face with thermometer
    1f915 face with head-bandage
    1f922 nauseated face
    1f92e face vomiting
    1f927 sneezing face
    1f975 hot face
    1f976 cold face
    1f974 woozy face
    1f635 face with crossed-out eyes
    1f635_200d_1f4ab face with spiral eyes
    1f92f exploding head
    1f920 cowboy hat face
    1f973 partying face
    1f978 disguised face
    1f60e smiling face with sunglasses
    1f913 nerd face
    1f9d0 face with monocle
    1f615 confused face
    1fae4 face with diagonal mouth
    1f61f worried face
    1f641 slightly frowning face
    2639 frowning face
    1f62e face with open mouth
    1f62f hushed face
    1f632 astonished face
    1f633 flushed face
    1f97a pleading face
    1f979 face holding back tears
    1f626 frowning face with open mouth
    1f627 anguished face
    1f628 fearful face
    1f630 anxious face with sweat
    1f625 sad but relieved face
    1f622 crying face
    1f62d loudly crying face
    1f631 face screaming in fear
    1f616 confounded face
    1f623 persevering face
    1f61e disappointed face
    1f613 downcast face with sweat
    1f629 weary face
    1f62b tired face
    1f971 yawning face
  `,
  heart: `
    1f496 sparkling heart
    1f497 growing heart
    1f493 beating heart
    1f49e revolving hearts
    1f495 two hearts
    1f49f heart decoration
    1f494 broken heart
    2764_200d_1f525 heart on fire
    2764_200d_1fa79 mending heart
    2764 red heart
    1fa77 pink heart
    1f9e1 orange heart
    1f49b yellow heart
    1f49a green heart
    1f499 blue heart
    1fa75 light blue heart
    1f49c purple heart
    1f90e brown heart
    1f5a4 black heart
    1fa76 grey heart
    1f90d white heart
  `,
  hand: `
    1f44b waving hand
    1f91a raised back of hand
    1f590 hand with fingers splayed
    270b raised hand
    1f596 vulcan salute
    1faf1 rightwards hand
    1faf2 leftwards hand
    1faf3 palm down hand
    1faf4 palm up hand
    1faf7 leftwards pushing hand
    1faf8 rightwards pushing hand
    1f44c OK hand
    1f90c pinched fingers
    1f90f pinching hand
    270c victory hand
    1f91e crossed fingers
    1faf0 hand with index finger and thumb crossed
    1f919 call me hand
    1f448 backhand index pointing left
    1f449 backhand index pointing right
    1f446 backhand index pointing up
    1f447 backhand index pointing down
    261d index pointing up
    1faf5 index pointing at the viewer
    1f44d thumbs up
    1f44e thumbs down
    270a raised fist
    1f44a oncoming fist
    1f91b left-facing fist
    1f91c right-facing fist
    1f44f clapping hands
    1f64c raising hands
    1faf6 heart hands
    1f450 open hands
    1f64f folded hands
  `,
  person: `
    1f476 baby
    1f9d2 child
    1f466 boy
    1f467 girl
    1f9d1 person
    1f468 man
    1f469 woman
    1f9d3 older person
    1f474 old man
    1f475 old woman
    1f64d person frowning
    1f64e person pouting
    1f645 person gesturing NO
    1f646 person gesturing OK
    1f481 person tipping hand
    1f64b person raising hand
    1f9cf deaf person
    1f647 person bowing
    1f926 person facepalming
    1f937 person shrugging
    1f9d1_200d_2695 health worker
    1f9d1_200d_1f393 student
    1f9d1_200d_1f3eb teacher
    1f9d1_200d_2696 judge
    1f9d1_200d_1f33e farmer
    1f9d1_200d_1f373 cook
    1f9d1_200d_1f527 mechanic
    1f9d1_200d_1f3ed factory worker
    1f9d1_200d_1f4bc office worker
    1f9d1_200d_1f52c scientist
    1f9d1_200d_1f4bb technologist
    1f9d1_200d_1f3a4 singer
    1f9d1_200d_1f3a8 artist
    1f9d1_200d_2708 pilot
    1f9d1_200d_1f680 astronaut
    1f9d1_200d_1f692 firefighter
    1f46e police officer
    1f575 detective
    1f482 guard
    1f977 ninja
    1f477 construction worker
    1fac5 person with crown
    1f934 prince
    1f478 princess
    1f473 person wearing turban
    1f472 person with skullcap
    1f935 person in tuxedo
    1f470 person with veil
    1f930 pregnant woman
    1fac3 pregnant man
    1fac4 pregnant person
    1f9d1_200d_1f37c person feeding baby
  `,
  animal: `
    1f435 monkey
    1f412 monkey
    1f98d gorilla
    1f9a7 orangutan
    1f436 dog
    1f415 dog
    1f9ae guide dog
    1f415_200d_1f9ba service dog
    1f429 poodle
    1f43a wolf
    1f98a fox
    1f99d raccoon
    1f431 cat
    1f408 cat
    1f408_200d_2b1b black cat
    1f981 lion
    1f42f tiger
    1f405 tiger
    1f406 leopard
    1f434 horse
    1face moose
    1facf donkey
    1f40e horse
    1f984 unicorn
    1f993 zebra
    1f98c deer
    1f9ac bison
    1f42e cow
    1f402 ox
    1f403 water buffalo
    1f404 cow
    1f437 pig
    1f416 pig
    1f417 boar
    1f40f ram
    1f411 ewe
    1f410 goat
    1f42a camel
    1f42b camel
    1f999 llama
    1f992 giraffe
    1f418 elephant
    1f9a3 mammoth
    1f98f rhinoceros
    1f99b hippopotamus
    1f42d mouse
    1f401 mouse
    1f400 rat
    1f439 hamster
    1f430 rabbit
    1f407 rabbit
    1f43f chipmunk
    1f9ab beaver
    1f994 hedgehog
    1f987 bat
    1f43b bear
    1f43b_200d_2744 polar bear
    1f428 koala
    1f43c panda
    1f9a5 sloth
    1f9a6 otter
    1f9a8 skunk
    1f998 kangaroo
    1f9a1 badger
    1f983 turkey
    1f414 chicken
    1f413 rooster
    1f423 hatching chick
    1f424 baby chick
    1f425 baby chick
    1f426 bird
    1f427 penguin
    1f54a dove
    1f985 eagle
    1f986 duck
    1f9a2 swan
    1f989 owl
    1f9a4 dodo
    1f9a9 flamingo
    1f99a peacock
    1f99c parrot
    1f426_200d_2b1b black bird
    1fabf goose
    1f426_200d_1f525 phoenix
    1f438 frog
    1f40a crocodile
    1f422 turtle
    1f98e lizard
    1f40d snake
    1f432 dragon
    1f409 dragon
    1f995 sauropod
    1f996 T-Rex
    1f433 spouting whale
    1f40b whale
    1f42c dolphin
    1f9ad seal
    1f41f fish
    1f420 tropical fish
    1f421 blowfish
    1f988 shark
    1f419 octopus
    1fabc jellyfish
    1f980 crab
    1f99e lobster
    1f990 shrimp
    1f991 squid
    1f9aa oyster
    1f40c snail
    1f98b butterfly
    1f41b bug
    1f41c ant
    1f41d honeybee
    1fab2 beetle
    1f41e lady beetle
    1f997 cricket
    1fab3 cockroach
    1f577 spider
    1f982 scorpion
    1f99f mosquito
    1fab0 fly
    1fab1 worm
  `,
  plant: `
    1f490 bouquet
    1f338 cherry blossom
    1f4ae white flower
    1fab7 lotus
    1f339 rose
    1f940 wilted flower
    1f33a hibiscus
    1f33b sunflower
    1f33c blossom
    1f337 tulip
    1fabb hyacinth
    1f331 seedling
    1fab4 potted plant
    1f332 evergreen tree
    1f333 deciduous tree
    1f334 palm tree
    1f335 cactus
    2618 shamrock
    1f340 four leaf clover
    1f341 maple leaf
    1f342 fallen leaf
    1f343 leaf fluttering in wind
    1fabe leafless tree
  `,
  food: `
    1f347 grapes
    1f348 melon
    1f349 watermelon
    1f34a tangerine
    1f34b lemon
    1f34b_200d_1f7e9 lime
    1f34c banana
    1f34d pineapple
    1f96d mango
    1f34e red apple
    1f34f green apple
    1f350 pear
    1f351 peach
    1f352 cherries
    1f353 strawberry
    1fad0 blueberries
    1f95d kiwi fruit
    1f345 tomato
    1fad2 olive
    1f965 coconut
    1f951 avocado
    1f346 eggplant
    1f954 potato
    1f955 carrot
    1f33d ear of corn
    1f336 hot pepper
    1fad1 bell pepper
    1f952 cucumber
    1f96c leafy green
    1f966 broccoli
    1f9c4 garlic
    1f9c5 onion
    1f95c peanuts
    1fad8 beans
    1f330 chestnut
    1fada ginger root
    1fadb pea pod
    1f344_200d_1f7eb brown mushroom
    1fadc root vegetable
    1f35e bread
    1f950 croissant
    1f956 baguette bread
    1fad3 flatbread
    1f968 pretzel
    1f96f bagel
    1f95e pancakes
    1f9c7 waffle
    1f9c0 cheese wedge
    1f356 meat on bone
    1f357 poultry leg
    1f953 bacon
    1f354 hamburger
    1f35f french fries
    1f355 pizza
    1f32d hot dog
    1f96a sandwich
    1f32e taco
    1f32f burrito
    1fad4 tamale
    1f959 stuffed flatbread
    1f9c6 falafel
    1f95a egg
    1f958 shallow pan of food
    1f372 pot of food
    1fad5 fondue
    1f963 bowl with spoon
    1f957 green salad
    1f37f popcorn
    1f9c8 butter
    1f371 bento box
    1f358 rice cracker
    1f359 rice ball
    1f35a cooked rice
    1f35b curry rice
    1f35c steaming bowl
    1f35d spaghetti
    1f360 roasted sweet potato
    1f362 oden
    1f363 sushi
    1f364 fried shrimp
    1f365 fish cake with swirl
    1f96e moon cake
    1f361 dango
    1f95f dumpling
    1f960 fortune cookie
    1f961 takeout box
    1f366 soft ice cream
    1f367 shaved ice
    1f369 doughnut
    1f36a cookie
    1f382 birthday cake
    1f370 shortcake
    1f9c1 cupcake
    1f967 pie
    1f36b chocolate bar
    1f36c candy
    1f36d lollipop
    1f36e custard
    1f36f honey pot
  `,
  drink: `
    1f95b glass of milk
    2615 hot beverage
    1fad6 teapot
    1f375 teacup without handle
    1f376 sake
    1f37e bottle with popping cork
    1f377 wine glass
    1f378 cocktail glass
    1f379 tropical drink
    1f37a beer mug
    1f37b clinking beer mugs
    1f942 clinking glasses
    1f943 tumbler glass
    1f964 cup with straw
    1f9cb bubble tea
    1f9c3 beverage box
    1f9c9 mate
  `,
  building: `
    1f3df stadium
    1f3db classical building
    1f6d6 hut
    1f3da derelict house
    1f3e1 house with garden
    1f3e2 office building
    1f3e3 Japanese post office
    1f3e4 post office
    1f3e5 hospital
    1f3e6 bank
    1f3e8 hotel
    1f3ea convenience store
    1f3eb school
    1f3ec department store
    1f3ed factory
    1f3ef Japanese castle
    1f3f0 castle
    26ea church
    1f54c mosque
    1f6d5 hindu temple
    1f54d synagogue
    26e9 shinto shrine
  `,
  vehicle: `
    1f682 locomotive
    1f684 high-speed train
    1f685 bullet train
    1f686 train
    1f687 metro
    1f68a tram
    1f69d monorail
    1f68b tram car
    1f68c bus
    1f68d oncoming bus
    1f68e trolleybus
    1f690 minibus
    1f691 ambulance
    1f692 fire engine
    1f693 police car
    1f694 oncoming police car
    1f695 taxi
    1f696 oncoming taxi
    1f697 automobile
    1f698 oncoming automobile
    1f699 sport utility vehicle
    1f6fb pickup truck
    1f69a delivery truck
    1f69b articulated lorry
    1f69c tractor
    1f3ce racing car
    1f3cd motorcycle
    1f6f5 motor scooter
    1f6fa auto rickshaw
    1f6b2 bicycle
    1f6f4 kick scooter
    1f6a6 vertical traffic light
    26f5 sailboat
    1f6f6 canoe
    1f6a4 speedboat
    1f6f3 passenger ship
    26f4 ferry
    1f6e5 motor boat
    1f6a2 ship
    2708 airplane
    1f6e9 small airplane
    1f681 helicopter
    1f6f8 flying saucer
  `,
  clock: `
    23f0 alarm clock
    1f570 mantelpiece clock
    1f55b clock at twelve o'clock
    1f567 clock at twelve-thirty
    1f550 clock at one o'clock
    1f55c clock at one-thirty
    1f551 clock at two o'clock
    1f55d clock at two-thirty
    1f552 clock at three o'clock
    1f55e clock at three-thirty
    1f553 clock at four o'clock
    1f55f clock at four-thirty
    1f554 clock at five o'clock
    1f560 clock at five-thirty
    1f555 clock at six o'clock
    1f561 clock at six-thirty
    1f556 clock at seven o'clock
    1f562 clock at seven-thirty
    1f557 clock at eight o'clock
    1f563 clock at eight-thirty
    1f558 clock at nine o'clock
    1f564 clock at nine-thirty
    1f559 clock at ten o'clock
    1f565 clock at ten-thirty
    1f55a clock at eleven o'clock
    1f566 clock at eleven-thirty
  `,
  clothing: `
    1f453 glasses
    1f576 sunglasses
    1f97d goggles
    1f97c lab coat
    1f9ba safety vest
    1f454 necktie
    1f455 t-shirt
    1f456 jeans
    1f9e3 scarf
    1f9e4 gloves
    1f9e5 coat
    1f9e6 socks
    1f457 dress
    1f458 kimono
    1f97b sari
    1fa71 one-piece swimsuit
    1fa72 briefs
    1fa73 shorts
    1f459 bikini
    1f45a woman's clothes
    1fa74 thong sandal
    1f45e man's shoe
    1f45f running shoe
    1f97e hiking boot
    1f97f flat shoe
    1f460 high-heeled shoe
    1f461 woman's sandal
    1fa70 ballet shoes
    1f462 woman's boot
    1f451 crown
    1f452 woman's hat
    1f3a9 top hat
    1f393 graduation cap
    1f9e2 billed cap
    1fa96 military helmet
    26d1 rescue worker's helmet
  `,
  'musical instrument': `
    1f3b7 saxophone
    1f3ba trumpet
    1fa97 accordion
    1f3b8 guitar
    1f3b9 musical keyboard
    1f3bb violin
    1fa95 banjo
    1f941 drum
    1fa98 long drum
    1fa87 maracas
    1fa88 flute
    1fa89 harp
  `,
  book: `
    1f4d4 notebook with decorative cover
    1f4d5 closed book
    1f4d6 open book
    1f4d7 green book
    1f4d8 blue book
    1f4d9 orange book
    1f4da books
    1f4d3 notebook
    1f4f0 newspaper
  `,
  tool: `
    1f528 hammer
    1fa93 axe
    26cf pick
    2692 hammer and pick
    1f6e0 hammer and wrench
    1fa9a carpentry saw
    1f527 wrench
    1fa9b screwdriver
    1f529 nut and bolt
    2699 gear
    1f5dc clamp
    1fa9d hook
    1f9f0 toolbox
    1fa9c ladder
    1fa8f shovel
  `,
  arrow: `
    2b06 up arrow
    2197 up-right arrow
    27a1 right arrow
    2198 down-right arrow
    2b07 down arrow
    2199 down-left arrow
    2b05 left arrow
    2196 up-left arrow
    2195 up-down arrow
    2194 left-right arrow
    21a9 right arrow curving left
    21aa left arrow curving right
    2934 right arrow curving up
    2935 right arrow curving down
  `,
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { barChart, modelChart, radarChart, strengthChart, type BarRow } from './report-charts.ts'
import { labelled } from './report-labels.ts'
import { escapeHtml, htmlReport, markdownReport, type ReportedResult } from './report.ts'

const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a])

function reported(model: string, parts: Partial<ReportedResult> = {}, value = 80): ReportedResult {
  const recipe = { hash: 'abcdef0123456789', isBlind: false } as ReportedResult['recipe']
  return {
    benchmark: 'pope',
    title: 'POPE',
    metrics: [
      {
        name: 'F1 mean',
        value,
        unit: 'percent',
        digits: 2,
        interval95: { low: value - 1, high: value + 1 },
        published: [{ model: 'llava-v1.5-7b', metric: 'F1 mean', value: 85.9, source: 'zoo' }],
      },
      { name: 'accuracy', value: 75, unit: 'percent', digits: 2, interval95: null, published: [] },
    ],
    counts: { questions: 9, answers: 8, missing: 1, extra: 0, unreadable: 0 },
    recipe,
    outcomes: [],
    run: { model, errors: [{ id: '1', error: 'e' }], cutOff: 0, batch: 1, seconds: 1, answered: 9 },
    judged: [
      {
        judge: 'j',
        reviews: 2,
        calls: 2,
        cached: 0,
        versions: ['gpt-4-0613'],
        cost: 0,
        nonsense: [{ id: '3', content: '<script>alert(1)</script>' }],
        suspicious: [],
      },
    ],
    agreement: null,
    examples: [
      {
        outcome: {
          id: '1',
          score: 0,
          given: '<b>no</b> | x',
          judged: '8 2 <i>bad',
          read: '',
          expected: 'yes',
          prompt: 'Is it?',
        },
        pictures: [PNG, PNG],
      },
    ],
    ...parts,
  }
}

test('the page needs nothing else: no script, no address, pictures inside, words as text', async () => {
  const html = await htmlReport([reported('a'), reported('b')])
  assert.match(html, /^<!doctype html>/)
  assert.doesNotMatch(html, /<script|\bsrc="(?!data:image\/png;base64,)|<link|@import/)
  // Vega writes the names of SVG's and XLink's schemas; nothing else is an address.
  assert.doesNotMatch(
    html.replaceAll(/http:\/\/www\.w3\.org\/(?:2000\/svg|1999\/xlink)/g, ''),
    /https?:\/\//,
  )
  assert.equal(html.split('<img').length - 1, 4, 'two pictures of a question in each result')
  assert.match(html, /&lt;script&gt;alert/)
  assert.match(html, /<b>given<\/b> &lt;b&gt;no/)
  assert.match(html, /<b>judge said<\/b> 8 2 &lt;i&gt;bad/)
  assert.match(html, /llava-v1\.5-7b/)
  assert.ok(html.split('<svg').length >= 4, 'a chart for each benchmark, and one of the models')
})

test('the table says score, interval, guess, published row, errors and recipe', () => {
  const blind = reported(
    'a',
    { recipe: { hash: 'x', isBlind: true } as ReportedResult['recipe'] },
    55,
  )
  const table = markdownReport([reported('a'), blind])
  const row = table.split('\n').find((line) => line.startsWith('| POPE'))
  assert.equal(
    row,
    '| POPE | a | F1 mean (judge gpt-4-0613) | 80.00 | 79.00–81.00 | 55.00 (blind) | llava-v1.5-7b 85.9 (zoo) | 9 | 1 | `abcdef012345` |',
  )
  assert.equal(table.split('\n').filter((line) => line.startsWith('| POPE')).length, 1)
})

test('a number in the middle of two is rounded to the even one, as the official scripts do', () => {
  const blind = { recipe: { hash: 'x', isBlind: true } as ReportedResult['recipe'] }
  const table = markdownReport([reported('a', {}, 80.125), reported('a', blind, 0.375)])
  assert.match(table, /\| 80\.12 \| .* \| 0\.38 \(blind\)/)
})

test('a blind run of other questions is no guess at these', () => {
  // It may have been of another --limit: one question's 100 % stood beside the score of all.
  const outcomes = ['1', '2'].map((id) => ({ id, score: 1, given: 'x', read: 'x', expected: 'x' }))
  const recipe = { hash: 'x', isBlind: true } as ReportedResult['recipe']
  const rowOf = (count: number) =>
    markdownReport([
      reported('a', { outcomes }),
      reported('a', { recipe, outcomes: outcomes.slice(0, count) }, 55),
    ])
  assert.match(rowOf(2), /55\.00 \(blind\)/)
  assert.doesNotMatch(rowOf(1), /blind\)/)
})

test('a score that several versions of a judge gave says so beside the number, and how many replies are of each', async () => {
  const [one] = reported('a').judged
  const versions = ['j-0314', 'j-0613']
  const judged = [{ ...one!, versions, repliesOf: { 'j-0314': 8, 'j-0613': 16 } }]
  const results = [reported('a', { judged })]
  assert.match(markdownReport(results), /F1 mean \(judge j-0314 and j-0613\)/)
  assert.match(await htmlReport(results), /warning: [^<]* 8 of j-0314, 16 of j-0613/)
})

test('published rows say of which table and judge they are, parts how many questions they have', () => {
  const rows = [
    ['a', 60, 'blog (judge gpt-4-0613)'],
    ['b', 70, 'zoo (judge gpt-4-0314)'],
    ['c', 61, 'blog (judge gpt-4-0613)'],
  ] as const
  const published = rows.map(([model, value, source]) => ({ model, metric: 'all', value, source }))
  const metric = { unit: 'percent', digits: 1, interval95: null, published } as const
  const table = markdownReport([
    reported('m', {
      judged: [],
      metrics: [
        { ...metric, name: 'all', value: 50 },
        { ...metric, name: 'part', value: 40, questions: 3 },
        { ...metric, name: 'other part', value: 40 },
      ],
    }),
  ])
  assert.match(
    table,
    /a 60, c 61 \(blog \(judge gpt-4-0613\)\); b 70 \(zoo \(judge gpt-4-0314\)\) \| 9 \|/,
  )
  assert.match(table, /\| part \|.*\| 3 \| 1 \|/)
  assert.match(table, /\| other part \|.*\|  \| 1 \|/)
  assert.match(table, /bootstraps over .*pictures, rotations/)
})

test('a share of faults is no score: it says so, and is in no chart', async () => {
  const chair = (model: string) =>
    reported(model, {
      title: 'CHAIR',
      benchmark: 'chair',
      judged: [],
      metrics: [
        {
          name: 'CHAIR_i',
          value: 12,
          unit: 'percent',
          digits: 1,
          interval95: null,
          published: [],
          isLowerBetter: true,
        },
        { name: 'recall', value: 70, unit: 'percent', digits: 1, interval95: null, published: [] },
      ],
    })
  const results = [chair('a'), chair('b')]
  assert.match(markdownReport(results), /\| CHAIR_i \(lower is better\) \| 12\.0 \|/)
  assert.doesNotMatch(await htmlReport(results), /<svg/)
  const mmlu = (model: string, value: number) =>
    reported(model, { benchmark: 'mmlu', title: 'MMLU' }, value)
  const three = ['a', 'b', 'c'].flatMap((model, i) => [mmlu(model, 30 + i), chair(model)])
  assert.doesNotMatch(await htmlReport(three), /Strength of the language model/)
})

test('several models stand one below the other, number by number', () => {
  const results = ['a', 'b'].flatMap((model) => [
    reported(model, { judged: [] }),
    reported(model, { title: 'Other', judged: [] }),
  ])
  const rows = markdownReport(results)
    .split('\n')
    .filter((line) => /^\| (?:POPE|Other)/.test(line))
  assert.deepEqual(
    rows.map((row) => row.split(' | ').slice(0, 2).join(' ')),
    ['| POPE a', '| POPE b', '| Other a', '| Other b'],
  )
})

test('strength against score is drawn from three models on', async () => {
  const mmlu = (model: string, value: number) =>
    reported(model, { benchmark: 'mmlu', title: 'MMLU' }, value)
  const both = (model: string, value: number) => [
    mmlu(model, value),
    reported(model, {}, value + 20),
  ]
  assert.doesNotMatch(await htmlReport([...both('a', 30), ...both('b', 40)]), /Strength/)
  const three = await htmlReport([
    ...both('a', 30),
    ...both('b', 40),
    ...both('c', 50),
    reported('d', {}, 9),
  ])
  assert.match(three, /Strength of the language model<\/h2><p>Not shown, without MMLU: d</)
  assert.doesNotMatch(three, /NaN/)
  // All of one strength have no line, and say nothing about strength.
  assert.doesNotMatch(
    await htmlReport([...both('a', 30), ...both('b', 30), ...both('c', 30)]),
    /Strength|NaN/,
  )
})

test('a line goes through the points of a benchmark that has three at two strengths', async () => {
  const lines = async (strengths: readonly number[]) => {
    const points = strengths.map((strength, i) => ({
      model: `m${i}`,
      benchmark: 'POPE',
      strength,
      score: strength + 20,
    }))
    return (await strengthChart(points)).split('stroke-dasharray').length - 1
  }
  assert.equal(await lines([30, 40, 50]), 1)
  assert.equal(await lines([30, 30, 50]), 1)
  assert.equal(await lines([30, 30, 30]), 0)
  assert.equal(await lines([30, 50]), 0)
})

test('models are drawn around a circle from three benchmarks on that all of them have', async () => {
  const three = (model: string) =>
    ['One', 'Two', 'Three'].map((title) =>
      reported(model, { title, metrics: reported(model).metrics.slice(0, 1) }),
    )
  const charts = async (results: ReportedResult[]) =>
    (await htmlReport(results)).split('<svg').length - 1
  assert.equal(await charts([...three('a'), ...three('b')]), 2)
  assert.equal(await charts([...three('a'), ...three('b').slice(1)]), 1)
  assert.equal(await charts(three('a')), 0)
})

test('a score above 100, as a judge may give, stays in its chart', async () => {
  const row = (model: string, category: string, value: number): BarRow => {
    return { model, category, value, low: value, high: value + 9, guess: null }
  }
  const rows = ['One', 'Two', 'Three'].flatMap((name) => [row('a', name, 150), row('b', name, 50)])
  const own = rows.filter(({ model }) => model === 'a')
  for (const svg of [await barChart(own), await modelChart(rows)]) {
    const widths = [...svg.matchAll(/aria-roledescription="bar" d="M0,[\d.]+h([\d.]+)/g)]
    assert.ok(widths.length >= own.length)
    for (const [, width] of widths) assert.ok(Number(width) <= 640, `${width} of 640`)
  }
  const radar = await radarChart(rows)
  const points = [
    ...radar.matchAll(/aria-roledescription="point" transform="translate\(([\d.-]+),([\d.-]+)/g),
  ]
  assert.equal(points.length, 6)
  for (const [, x, y] of points) assert.ok(Number(x) >= 0 && Number(y) >= 0, `${x} ${y}`)
})

test('several results of one model and benchmark are as many bars, each by its own name', async () => {
  // Two of one name were drawn upon one another, and their sum was the bar's length.
  const recipe = (name: string) =>
    ({
      hash: name,
      isBlind: false,
      model: { precision: { name } },
    }) as unknown as ReportedResult['recipe']
  const results = [
    reported('mini', { recipe: recipe('int8') }, 60),
    reported('mini', { recipe: recipe('q4') }, 70),
    reported('other', { recipe: recipe('int8') }, 50),
  ]
  assert.deepEqual(
    labelled(results).map(({ run }) => run.model),
    ['mini int8', 'mini q4', 'other'],
  )
  const again = [...results.slice(0, 1), ...results.slice(0, 1)]
  assert.deepEqual(
    labelled(again).map(({ run }) => run.model),
    ['mini', 'mini #2'],
  )
  const one = [results[0]!, reported('mini', { title: 'MME', recipe: recipe('q4') })]
  assert.deepEqual(
    labelled(one).map(({ run }) => run.model),
    ['mini', 'mini'],
  )
  const html = await htmlReport(results)
  assert.match(html, />mini q4</)
})

test('what was in the training data stands with its result', async () => {
  const counts = { equal: 1, near: 2 }
  const contamination = {
    items: 9,
    pictures: counts,
    texts: counts,
    both: 1,
    scores: { clean: 0.5, overlapping: 1 },
  } as ReportedResult['contamination'] & object
  const html = await htmlReport([reported('a', { contamination })])
  assert.match(html, /3 pictures \(1 equal\), 3 texts \(1 equal\), 1 both, of 9 questions/)
  assert.match(html, /mean score 100\.0 of those, 50\.0 of the others/)
})

test('marks of HTML become text', () => {
  assert.equal(escapeHtml(`<a href="x">&'`), `&lt;a href=&quot;x&quot;&gt;&amp;'`)
})

/* view.js - the page around the graphs: search, what is told of an op or a kernel, kernels by time, memory over a run. */

const data = JSON.parse(document.getElementById('data').textContent);
const sides = ['before the passes', 'after the passes'];
let colors = {};

/* ---- elements ---- */

/* Makes an element, as el('p.doc', {title: ..}, 'text', child). Strings become nodes of text, so nothing in them is HTML. */
function el(what, attributes, ...children) {
  const [tag, ...classes] = what.split('.'), e = document.createElement(tag);
  if (classes.length) e.className = classes.join(' ');
  for (const [name, value] of Object.entries(attributes || {}))
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name === 'style') e.style.cssText = value;
    else if (value !== false) e.setAttribute(name, value === true ? '' : value);
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) e.append(child.nodeType ? child : shown(child));
  return e;
}

function code(text, wide) {
  const pre = el(wide ? 'pre.wide' : 'pre');
  pre.textContent = text.split('\n').map(shown).join('\n');
  return pre;
}

function link(text, fn) {
  return el('button.link', {onclick: fn}, text);
}

/* An element with the name, or with the end of a long name, since the paths in names begin alike. */
function ending(name) {
  return el('code', {title: shown(name)}, name.length > 38 ? '…' + [...name].slice(-37).join('') : name);
}

function swatch(color) {
  return el('i.swatch', {style: 'background:' + color});
}

/* ---- numbers ---- */

function bytes(n) {
  for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]])
    if (n >= 0.9995 * size) return (n / size < 9.95 ? (n / size).toFixed(1) : Math.round(n / size)) + ' ' + unit;
  return n + ' bytes';
}

function percent(x) {
  return (100 * x).toFixed(x < 0.0995 ? 1 : 0) + ' %';
}

function flops(n) {
  if (!n) return 'none';
  return n >= 1e9 ? (n / 1e9).toFixed(1) + ' GFLOP' : n >= 1e6 ? (n / 1e6).toFixed(1) + ' MFLOP' : (n / 1e3).toFixed(1) + ' kFLOP';
}

/* ---- what goes with what ---- */

const [before, after] = data.graphs;
const kernelColor = i => `hsl(${(212 + i * 137.508) % 360} 52% 56%)`;
const opsOfLaunch = data.launches.map(() => []);
const opsOfNode = [new Map(), new Map()];
data.graphs.forEach((g, side) => g.ops.forEach((op, i) => {
  for (const node of nodesOf(side, i)) {
    if (!opsOfNode[side].has(node)) opsOfNode[side].set(node, []);
    opsOfNode[side].get(node).push(i);
  }
}));
after.ops.forEach((op, i) => (op.launches || []).forEach(l => opsOfLaunch[l].push(i)));

/* The names of the nodes from which an op was made; if it has none, as in a model in text form, those of its results, which the
 * passes keep. */
function nodesOf(side, op) {
  const o = data.graphs[side].ops[op];
  return o.nodes || o.out.filter(v => v >= 0).map(v => '%' + data.graphs[side].values[v][0]);
}

/* Ops of the other graph that come from the same nodes. */
function counterparts(side, op) {
  const found = new Set();
  for (const node of nodesOf(side, op)) for (const other of opsOfNode[1 - side].get(node) || []) found.add(other);
  return [...found];
}

/* The launches that compute an op; of an op before the passes, those of its counterparts after them. */
function launchesOf(side, op) {
  if (side === 1) return after.ops[op].launches || [];
  return [...new Set(counterparts(0, op).flatMap(i => after.ops[i].launches || []))];
}

data.graphs.forEach((g, side) => g.ops.forEach((op, i) => {
  const launch = launchesOf(side, i)[0];
  if (launch !== undefined) op.stripe = kernelColor(data.launches[launch][0]);
}));

function nameOf(side, op) {
  const o = data.graphs[side].ops[op], out = o.out.find(v => v >= 0);
  return out === undefined ? (o.nodes || [''])[0] : data.graphs[side].values[out][0];
}

/* ---- the page ---- */

const aside = el('aside', {'aria-label': 'what is chosen'});
const tip = el('div', {id: 'tip', hidden: true});
const query = el('input', {type: 'search', placeholder: 'Search ops, nodes, kernels', 'aria-label': 'search', oninput: () => search()});
const results = el('div.results', {hidden: true, role: 'listbox'});
const tabs = {graph: el('section.tab.panes'), kernels: el('section.tab.sheet', {hidden: true}), memory: el('section.tab.sheet', {hidden: true}), ranks: el('section.tab.sheet', {hidden: true})};
const buttons = {};
const makers = {kernels: buildKernels, memory: buildMemory, ranks: buildRanks}; // functions that fill the tabs that were not shown yet
let graphs = [], current = 'graph', chosenKernel = -1;

function show(tab) {
  if (data.library) tab = 'kernels'; // all that a library has
  if (tab === 'ranks' && !data.shards) return;
  current = tab;
  makers[tab]?.();
  delete makers[tab];
  for (const name in tabs) {
    tabs[name].hidden = name !== tab;
    buttons[name].setAttribute('aria-selected', name === tab);
  }
  if (tab === 'graph') redraw();
  if (tab === 'memory') drawMemory();
  tip.hidden = true;
}

function build() {
  const facts = [data.library ? 'compiled library' : count(before.ops.length, 'op') + ' → ' + after.ops.length.toLocaleString('en'), count(data.kernels.length, 'kernel'),
    count(data.launches.length, 'launch').replace('launchs', 'launches'), data.memory.weights === null ? '' : bytes(data.memory.weights) + ' of weights', data.dims, data.target];
  const nav = el('nav', {role: 'tablist'});
  for (const name in tabs) {
    buttons[name] = el('button', {role: 'tab', hidden: name === 'ranks' ? !data.shards : Boolean(data.library) && name !== 'kernels', onclick: () => show(name)}, {graph: 'Graph', kernels: data.run_ms ? 'Time' : 'Kernels', memory: 'Memory', ranks: 'Ranks'}[name]);
    nav.append(buttons[name]);
  }
  document.title = shown(data.model) + ' · Fovea';
  document.body.append(
    el('header', null, el('h1', {title: shown(data.model)}, data.model), el('div.facts', {title: shown(facts.join(' · '))}, facts.filter(f => f).join(' · ')), nav,
      el('div.search', null, query, el('kbd', null, '/'), results)),
    el('main', null, Object.values(tabs), aside), tip);
  buildGraphs();
}

/* ---- graphs ---- */

function readColors() {
  const style = getComputedStyle(document.documentElement), get = name => style.getPropertyValue('--' + name).trim();
  colors = {font: getComputedStyle(document.body).fontFamily, depth: [get('depth0'), get('depth1')]};
  for (const name of ['ink', 'soft', 'border', 'accent', 'edge', 'folded', 'port', 'strong', 'related', 'found', 'panel', 'bar']) colors[name] = get(name);
  for (const name of ['product', 'reduce', 'element', 'move', 'control']) colors[name] = {fill: get(name), edge: get(name + '-edge')};
}

function buildGraphs() {
  const on = {select: (graph, item) => selectItem(graphs.indexOf(graph), item), hover, fold: (path, open) => fold(path, open)};
  data.graphs.forEach((g, side) => {
    const canvas = el('canvas', {tabindex: 0, 'aria-label': 'graph ' + sides[side]});
    const pane = el('div.pane', null, el('h2', null, sides[side][0].toUpperCase() + sides[side].slice(1) + ' ', el('small', null, count(g.ops.length, 'op'))), canvas,
      el('div.tools', null, el('button', {title: 'smaller', onclick: () => graphs[side].zoom(0.8)}, '−'), el('button', {title: 'larger', onclick: () => graphs[side].zoom(1.25)}, '+'),
        el('button', {title: 'all of it', onclick: () => { graphs[side].fit(); graphs[side].draw(); }}, 'Fit'),
        el('button', {title: 'open every box', onclick: () => foldAll(true)}, 'Open all'), el('button', {title: 'close every box', onclick: () => foldAll(false)}, 'Fold all')));
    tabs.graph.append(pane);
    graphs.push(new Graph(g, canvas, on));
  });
  graphs[1].openLike(graphs[0]);
  new ResizeObserver(() => redraw()).observe(tabs.graph);
}

function redraw() {
  graphs.forEach(graph => graph.draw());
}

/* Opens or closes a scope in both graphs, so that they can be compared. Its box stays where it is on the page. */
function fold(path, open) {
  for (const graph of graphs) graph.setOpen(path, open);
  redraw();
}

function foldAll(open) {
  for (const graph of graphs) {
    graph.openAll(open);
    graph.fit(0.3);
  }
  redraw();
}

function hover(graph, item, event) {
  const op = item ? graph.opOf(item) : -1, side = graphs.indexOf(graph);
  tip.hidden = !item || (op < 0 && item.kind !== ITEM.input && item.kind !== ITEM.output);
  graph.canvas.style.cursor = item ? 'pointer' : '';
  if (tip.hidden) return;
  if (op >= 0) tip.replaceChildren(el('b', null, graph.g.ops[op].op), el('span', null, nameOf(side, op)));
  else tip.replaceChildren(el('b', null, item.ref < 0 ? '' : graph.g.values[item.ref][0]), el('span', null, item.ref < 0 ? '' : graph.g.values[item.ref][1]));
  placeTip(event);
}

function placeTip(event) {
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';
  tip.style.top = Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8) + 'px';
}

/* ---- choosing ---- */

function selectItem(side, item) {
  const op = item ? graphs[side].opOf(item) : -1;
  if (op >= 0) selectOp(side, op, false);
  else if (!item || item.kind !== ITEM.scope) selectNothing();
}

function clear() {
  chooseRow(-1);
  for (const graph of graphs) for (const set of [graph.chosen, graph.related, graph.values]) set.clear();
}

function selectNothing() {
  clear();
  tellPage();
  redraw();
  remember('');
}

/* Chooses an op, and marks its counterparts in the other graph and the ops that its kernels compute as well. */
function selectOp(side, op, move) {
  const graph = graphs[side], o = graph.g.ops[op], other = graphs[1 - side];
  clear();
  graph.chosen.add(op);
  for (const v of [...o.in, ...o.out]) graph.values.add(v);
  for (const i of counterparts(side, op)) other.chosen.add(i);
  for (const launch of launchesOf(side, op)) markLaunch(launch);
  if (move && current !== 'graph') show('graph');
  if (move) graph.center(op, graph.reveal(op));
  const first = counterparts(side, op)[0];
  if (first !== undefined) other.center(first, move && other.reveal(first));
  tellOp(side, op);
  redraw();
  remember('op=' + side + ':' + op);
}

function markLaunch(launch) {
  for (const i of opsOfLaunch[launch]) {
    graphs[1].related.add(i);
    for (const k of counterparts(1, i)) graphs[0].related.add(k);
  }
}

/* Marks the row of a kernel in the table of kernels; -1: of none. */
function chooseRow(kernel) {
  chosenKernel = kernel;
  for (const row of tabs.kernels.querySelectorAll('tbody tr')) row.setAttribute('aria-selected', String(row.dataset.kernel === String(kernel)));
}

function selectKernel(kernel) {
  clear();
  data.launches.forEach(([k], launch) => { if (k === kernel) markLaunch(launch); });
  chooseRow(kernel);
  tellKernel(kernel);
  redraw();
  remember('kernel=' + kernel);
}

/* The address of the page says what is chosen, so that it can be sent. */
function remember(what) {
  try {
    history.replaceState(null, '', '#' + [current, what].filter(s => s).join('&'));
  } catch { /* some browsers do not allow this to pages that are files */ }
}

/* ---- what is told ---- */

function section(title, ...children) {
  const all = children.flat().filter(c => c);
  return all.length ? [el('h3', null, title), ...all] : [];
}

function valueRow(side, v) {
  if (v < 0) return null;
  const g = data.graphs[side], [name, type] = g.values[v], maker = graphs[side].maker.get(v);
  return el('div.row', null, maker === undefined ? name : link(name, () => selectOp(side, maker, true)), ' ', el('code', null, type));
}

function opLink(side, op) {
  return el('div.row', null, link(data.graphs[side].ops[op].op, () => selectOp(side, op, true)), ' ', ending(nameOf(side, op)));
}

/* The elements that `make` gives for the first entries of a list, and one that says how many more there are. */
function some(list, make, most = 12) {
  return [...list.slice(0, most).map(make), list.length > most ? el('div.row', null, el('code', null, 'and ' + (list.length - most) + ' more')) : null];
}

/* A kernel by its name in the model; `label`: that of the launch which is meant. */
function kernelLink(kernel, label = data.kernels[kernel].label) {
  return el('div.row', null, swatch(kernelColor(kernel)), link(label, () => selectKernel(kernel)), ' ', el('code', null, data.kernels[kernel].name));
}

function later(title, make) {
  const d = el('details', {ontoggle: () => { if (d.open && d.children.length === 1) d.append(make()); }}, el('summary', null, title));
  return d;
}

function kernelTexts(kernel) {
  const k = data.kernels[kernel];
  return [k.computes ? [el('h3', null, 'Computes'), code(k.computes)] : [], k.text ? later('Kernel', () => code(k.text, true)) : null, k.c ? later('C', () => code(k.c, true)) : null].flat();
}

/* The lines of a text without the indentation that all of them have. */
function dedent(text) {
  const lines = text.replace(/\n+$/, '').split('\n'), depth = Math.min(...lines.map(l => l.search(/\S|$/)));
  return lines.map(l => l.slice(depth)).join('\n');
}

function tellOp(side, op) {
  const g = data.graphs[side], o = g.ops[op], others = counterparts(side, op), launches = launchesOf(side, op);
  const kernels = [...new Set(launches.map(l => data.launches[l][0]))];
  const fused = [...new Set(launches.flatMap(l => opsOfLaunch[l]))].filter(i => side === 0 || i !== op);
  const gone = side === 0 && !others.length ? el('p.doc', null, 'Nothing of it is left: it was known when the model was compiled, or nothing needed it, or a rewrite made something else of it.') : null;
  aside.scrollTop = 0;
  aside.replaceChildren(el('h2', null, o.op), el('p.doc', null, data.docs[o.op] || ''), gone || '',
    ...section('Nodes', some(o.nodes || [], n => el('div.row', null, n))),
    ...section('Results', o.out.map(v => valueRow(side, v))),
    ...section('Operands', some(o.in, v => valueRow(side, v))),
    ...section('Attributes', o.attrs ? code(o.attrs) : null),
    ...section('Definition', o.definition ? code(dedent(o.definition)) : null),
    ...section(side ? 'Before the passes' : 'After the passes', some(others, i => opLink(1 - side, i))),
    ...section('Ranks', choicesOf(side, op).map(k => el('div.row', null, k.cut === null ? 'whole on each rank' : `cut along its ${k.axis}` + (k.collective === 'none' ? '' : ', then ' + k.collective)))),
    ...section('Kernel', some(kernels, k => kernelLink(k, data.launches[launches.find(l => data.launches[l][0] === k)][2]))),
    ...section('Computed with', some(side ? fused : [], i => opLink(1, i))),
    ...(kernels.length === 1 ? kernelTexts(kernels[0]) : []));
}

function tellKernel(kernel) {
  const k = data.kernels[kernel], ops = [...new Set(data.launches.flatMap(([of], l) => of === kernel ? opsOfLaunch[l] : []))];
  const nodes = data.launches.filter(([of]) => of === kernel).map(([, from]) => from);
  aside.scrollTop = 0;
  aside.replaceChildren(el('h2', null, swatch(kernelColor(kernel)), k.label), el('p.doc', null, [k.name, k.schedule].filter(s => s).join(': ')),
    ...section('Launches', some(nodes, n => el('div.row.brief', {title: shown(n)}, n || k.name), 6)),
    ...section('Costs', 'flops' in k ? el('div.row', null, k.flops ? flops(k.flops) + ', reads ' : 'reads ', bytes(k.read), ', writes ', bytes(k.written)) : null,
      'predicted_ms' in k ? el('div.row', {title: 'An estimate for one thread, by ' + data.estimate}, `predicted ${k.predicted_ms.toPrecision(3)} ms, at least ${k.least_ms.toPrecision(3)} ms`) : null),
    ...section('Ops', some(ops, i => opLink(1, i))),
    ...kernelTexts(kernel),
    current === 'graph' || data.library ? '' : el('p', {style: 'margin-top:14px'}, link('Show in the graph', () => { show('graph'); if (ops.length) { graphs[1].reveal(ops[0]); graphs[1].center(ops[0], true); } redraw(); })));
}

function tellPage() {
  const kinds = {product: 'products', reduce: 'reductions', element: 'elementwise', move: 'shapes and moves', control: 'control'};
  const keys = [['/', 'search'], ['Enter', 'next of what was found'], ['f', 'fit'], ['+ −', 'zoom, as the wheel does'], ['← ↑ ↓ →', 'move'], ['e  c', 'open, fold all boxes'], ['1 2 3', 'graph, kernels, memory'], ...(data.shards ? [['4', 'ranks']] : []), ['Esc', 'choose nothing']];
  aside.replaceChildren(el('h2', null, data.model), el('p.doc', null, data.library ? 'A compiled library: operators, schedules, costs and buffers are only known from the model.' : 'Choose an op to see where it comes from, what it means, and the kernel that computes it. Boxes open where they are clicked, in both graphs.'),
    ...section('Colours', data.library ? null : el('div.legend', null, Object.entries(kinds).map(([kind, text]) => el('div', null, el('i.swatch', {style: `background:var(--${kind});border-color:var(--${kind}-edge)`}), text)))),
    ...section('Kernels, the stripe of an op', data.library ? [] : some(byCost(), k => kernelLink(k), 14)),
    ...section('Keys', data.library ? null : el('div.keys', null, keys.map(([key, text]) => [el('kbd', null, key), el('span', null, text)]))),
    ...section('Made by', el('div.row', null, 'fovea ' + data.version + ', for ' + data.target)));
}

/* ---- kernels ---- */

const cost = k => data.run_ms ? k.ms : k.share || 0;
function byCost() {
  return data.kernels.map((k, i) => i).sort((a, b) => cost(data.kernels[b]) - cost(data.kernels[a]));
}

function buildKernels() {
  const all = data.kernels.reduce((sum, k) => sum + cost(k), 0) || 1, most = data.kernels.reduce((top, k) => Math.max(top, cost(k)), 1e-30);
  const made = !data.library, timed = made || data.run_ms; // schedules and costs are known; times are
  const head = [['Part of the model', 'text'], ['Kernel', 'text'], [made && 'Schedule', 'text'], ['Launches'], [data.run_ms && 'ms'], [timed && 'Share', 'text'], [timed && 'Of time'], [made && 'Work'],
    [made && data.run_ms && 'GFLOP/s'], [made && 'Reads'], [made && 'Writes']].filter(([name]) => name);
  const rows = byCost().map(i => {
    const k = data.kernels[i], known = 'flops' in k;
    return el('tr', {'data-kernel': i, onclick: () => selectKernel(i)}, el('td.text', null, swatch(kernelColor(i)), ending(k.label)), el('td.text', null, k.name),
      made ? el('td.text', null, k.family) : null, el('td', null, k.launches),
      data.run_ms ? el('td', null, k.ms.toFixed(3)) : null,
      timed ? el('td.text.grow', null, el('span.bar', null, el('i', {style: `width:${100 * cost(k) / most}%;background:${kernelColor(i)}`}))) : null, timed ? el('td', null, percent(cost(k) / all)) : null,
      made ? el('td', null, known ? flops(k.flops) : 'by data') : null, made && data.run_ms ? el('td', null, known && k.ms > 0 ? (k.flops / k.ms * 1e-6).toFixed(1) : '') : null,
      made ? el('td', null, known ? bytes(k.read) : '') : null, made ? el('td', null, known ? bytes(k.written) : '') : null);
  });
  tabs.kernels.append(el('h2', null, data.run_ms ? 'Time by kernel' : made ? 'Kernels by estimated time' : 'Kernels in the order of their first launches'),
    el('p', null, data.run_ms ? `Measured: one run of ${data.run_ms.toFixed(2)} ms in kernels.` : made ? 'Estimated from what each computes and moves; fovea view --profile shows times that were measured.'
      : 'fovea view --profile shows times that were measured.',
      data.dims ? ' With ' + data.dims + '.' : ''),
    el('table', null, el('thead', null, el('tr', null, head.map(([name, kind]) => el(kind ? 'th.text' : 'th', null, name)))), el('tbody', null, rows)));
  chooseRow(chosenKernel);
}

/* ---- memory ---- */

const memoryChart = el('canvas');
let memoryHits = [];

/* A table of the constants as they are stored, the largest first. */
function weightsBySize(most = 200) {
  const all = [...data.memory.constants].sort((a, b) => b[2] - a[2]), total = all.reduce((sum, [, , n]) => sum + n, 0) || 1;
  if (!all.length) return [];
  const rows = all.slice(0, most).map(([name, type, n]) => el('tr', null, el('td.text', null, name), el('td.text', null, type), el('td', null, bytes(n)), el('td', null, percent(n / total))));
  return [el('h2', null, 'Weights by size'),
    el('p', null, 'Constants as kernels read them: packed ones have the name of the weight and of the form.', all.length > most ? ` These are the largest ${most} of ${all.length}.` : ''),
    el('table', {id: 'weights'}, el('thead', null, el('tr', null, el('th.text', null, 'Weight'), el('th.text', null, 'Type'), el('th', null, 'Size'), el('th', null, 'Share'))), el('tbody', null, rows))];
}

function buildMemory() {
  const m = data.memory, figure = (value, what) => el('div', null, el('b', null, value), el('span', null, what));
  tabs.memory.append(el('h2', null, 'Workspace over a run'),
    el('p', null, 'Each block is a buffer: from the first launch that uses it to the last, at its place in the workspace. The line is what is alive; no workspace could be smaller than its highest point.',
      data.dims ? ' With ' + data.dims + '.' : '', m.allocates ? ' Buffers whose size depends on data come from an allocator, and are not here.' : ''),
    el('div.figures', null, figure(bytes(m.workspace), 'workspace'), figure(bytes(m.bound), 'lower bound'), figure(m.bound ? percent(m.workspace / m.bound - 1) : '0 %', 'above it'),
      figure(bytes(m.weights), 'weights'), figure(m.buffers.length, 'buffers')),
    el('div.chart', null, memoryChart));
  tabs.memory.append(...weightsBySize());
  memoryChart.addEventListener('pointermove', e => {
    const hit = memoryHits.findLast(h => e.offsetX >= h.x && e.offsetX <= h.x + h.w && e.offsetY >= h.y && e.offsetY <= h.y + h.h);
    tip.hidden = !hit;
    if (!hit) return;
    const [name, size, , first, last] = hit.buffer, where = l => data.launches[l - 1][2];
    tip.replaceChildren(el('b', null, name), el('span', null, bytes(size) + ', from launch ' + first + ', ' + where(first) + ', to ' + last + ', ' + where(last)));
    placeTip(e);
  });
  memoryChart.addEventListener('pointerleave', () => tip.hidden = true);
  new ResizeObserver(() => drawMemory()).observe(memoryChart);
}

function drawMemory() {
  const c = memoryChart, p = c.getContext('2d'), ratio = devicePixelRatio || 1, m = data.memory, n = m.live.length;
  const width = c.clientWidth, height = c.clientHeight, left = 64, bottom = 26, top = 8, right = 6;
  if (!width) return;
  c.width = Math.round(width * ratio);
  c.height = Math.round(height * ratio);
  p.setTransform(ratio, 0, 0, ratio, 0, 0);
  p.font = '11px ' + colors.font;
  const most = Math.max(m.workspace, m.bound, 1) * 1.04, step = (width - left - right) / Math.max(n, 1);
  const y = b => height - bottom - (height - bottom - top) * b / most;
  memoryHits = [];
  axes(p, most, y, left, width - right, height - bottom, n, step);
  for (const buffer of m.buffers) {
    const [, size, offset, first, last] = buffer;
    const hit = {buffer, x: left + (first - 1) * step, y: y(offset + size), w: (last - first + 1) * step, h: Math.max(1, y(offset) - y(offset + size))};
    memoryHits.push(hit);
    p.globalAlpha = 0.5;
    p.fillStyle = kernelColor(data.launches[first - 1][0]);
    p.fillRect(hit.x + 0.5, hit.y + 0.5, Math.max(1, hit.w - 1), Math.max(1, hit.h - 1));
    p.globalAlpha = 1;
    if (hit.w > 60 && hit.h > 15) {
      p.fillStyle = colors.ink;
      p.fillText(shorten(p, shown(buffer[0]), hit.w - 12), hit.x + 6, hit.y + 13);
    }
  }
  line(p, m.workspace, 'workspace ' + bytes(m.workspace), colors.soft, [], y, left, width - right);
  line(p, m.bound, 'lower bound ' + bytes(m.bound), colors.accent, [5, 4], y, left, width - right);
  p.beginPath();
  m.live.forEach((b, i) => {
    if (i) p.lineTo(left + i * step, y(b));
    else p.moveTo(left, y(b));
    p.lineTo(left + (i + 1) * step, y(b));
  });
  p.lineWidth = 1.8;
  p.strokeStyle = colors.accent;
  p.stroke();
}

/* The least of 1, 2, 5, 10, 20, .. and of their decimal fractions that is not less than x. */
function round(x) {
  const unit = 10 ** Math.floor(Math.log10(x));
  return [1, 2, 5, 10].map(f => f * unit).find(t => t >= x * 0.999);
}

function axes(p, most, y, left, right, bottom, n, step) {
  const tick = round(most / 5);
  p.lineWidth = 1;
  p.strokeStyle = colors.border;
  p.fillStyle = colors.soft;
  for (let b = 0; b <= most; b += tick) {
    p.beginPath();
    p.moveTo(left, y(b));
    p.lineTo(right, y(b));
    p.stroke();
    p.textAlign = 'right';
    p.fillText(bytes(b), left - 8, y(b) + 4);
  }
  p.textAlign = 'center';
  const every = Math.max(1, round(n / 12));
  for (let i = every; i <= n; i += every) p.fillText(i, left + (i - 0.5) * step, bottom + 17);
  p.textAlign = 'left';
  p.fillText('launch', 8, bottom + 17);
}

function line(p, at, text, color, dash, y, left, right) {
  p.setLineDash(dash);
  p.lineWidth = 1.2;
  p.strokeStyle = color;
  p.beginPath();
  p.moveTo(left, y(at));
  p.lineTo(right, y(at));
  p.stroke();
  p.setLineDash([]);
  p.fillStyle = color;
  p.textAlign = dash.length ? 'left' : 'right';
  p.fillText(text, dash.length ? left + 6 : right - 6, y(at) - 5);
  p.textAlign = 'left';
}

/* ---- ranks ---- */

/* How the contractions that were made from an op are cut. */
function choicesOf(side, op) {
  const nodes = new Set(nodesOf(side, op));
  return (data.shards?.contractions || []).filter(k => nodes.has(k.node) || nodes.has('%' + k.node) || k.node === [...nodes].join(', '));
}

function grid(id, head, rows) {
  return el('table', {id}, el('thead', null, el('tr', null, head.map(([name, kind]) => el(kind ? 'th.text' : 'th', null, name)))),
    el('tbody', null, rows.map(cells => el('tr', null, cells.map((cell, i) => el(head[i][1] ? 'td.text' : 'td', null, cell))))));
}

/* The chart, of which nothing but shapes and texts is used. */
function drawing(svg) {
  const root = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  return root.nodeName === 'svg' ? document.importNode(root, true) : null;
}

function buildRanks() {
  const s = data.shards, run = s.run, figure = (value, what) => el('div', null, el('b', null, value), el('span', null, what));
  const name = text => ending(text), cut = k => k === null ? '' : k, ms = x => x.toFixed(3) + ' ms';
  const staged = s.stages ? `A stage has some of the ops, and passes what it computes to later ones. ` : '';
  tabs.ranks.append(el('h2', null, `Cut for ${count(s.ranks, 'rank')}` + (s.stages ? ` in ${s.stages.length} stages` : '')),
    el('p', null, staged + `Each rank has a share of what is cut, and computes everything else as a whole. Figures are of rank ${run.rank}, which has the most weights.`, s.dims ? ' With ' + s.dims + '.' : ''),
    el('div.figures', null, figure(bytes(run.weights_bytes), 'weights of a rank'), figure(bytes(s.all_weights_bytes), 'all weights'), figure(bytes(run.workspace_bytes), 'workspace'),
      figure(bytes(run.ports_bytes), 'inputs and outputs'), figure(run.exchanges, 'exchanges in a run'), figure(run.messages, 'messages of a rank'), figure(bytes(run.sent_bytes), 'sent by a rank')));
  if (s.chart) tabs.ranks.append(el('h2', null, 'Time of a run'), el('p', null, 'Predicted by the cost model, for ' + s.network + '; both axes are logarithmic.'), el('div.chart', null, drawing(s.chart)));
  if (s.points) tabs.ranks.append(grid('points', [['Ranks'], ['Time'], ['Computing'], ['Exchanging'], ['Efficiency'], ['Messages'], ['Sends'], ['Weights'], ['Workspace']],
    s.points.map(p => [p.ranks, ms(p.ms), ms(p.computing_ms), ms(p.exchanging_ms), percent(p.efficiency), p.messages, bytes(p.sent_bytes), bytes(p.weights_bytes), bytes(p.workspace_bytes)])));
  if (s.stages) tabs.ranks.append(el('h2', null, 'Stages'), el('p', null, 'A stage waits for those before it.'),
    grid('stages', [['Stage'], ['Computing'], ...(s.network ? [['Exchanging'], ['Waits']] : []), ['Messages'], ['Sends'], ['Weights'], ['Workspace'], ['Begins with', 1]],
      s.stages.map(p => [p.stage, ms(p.computing_ms), ...(s.network ? [ms(p.exchanging_ms), percent(p.waiting)] : []), p.messages, bytes(p.sent_bytes), bytes(p.weights_bytes), bytes(p.workspace_bytes), name(p.begins || '')])));
  if (s.stages && s.transfers.length) tabs.ranks.append(el('h2', null, 'What stages pass on'),
    grid('transfers', [['From'], ['To'], ['Bytes'], ['', 1], ['Value', 1]], s.transfers.map(t => [t.from, t.to, bytes(t.bytes), t.output ? 'output' : '', name(t.value)])));
  if (s.cuts.length) tabs.ranks.append(el('h2', null, 'Cuts'), el('p', null, 'Units, such as heads or columns, are the pieces that are distributed.'),
    grid('cuts', [['Cut'], ['Units'], ['Weights'], ['From', 1], ['To', 1], ['Shares of inputs and outputs', 1]],
      s.cuts.map((k, i) => [i, k.groups ? `${k.units} in ${k.groups} groups` : k.units, bytes(k.weights_bytes), name(k.first), name(k.last), name(k.shares)])));
  if (s.contractions.length) tabs.ranks.append(el('h2', null, 'Contractions'), grid('contractions', [['Cut'], ['Axis', 1], ['Exchange', 1], ['Node', 1]],
    s.contractions.map(k => [cut(k.cut), k.axis, k.collective, name(k.node)])));
  if (s.cuts.some(k => k.exchanges.length)) tabs.ranks.append(el('h2', null, 'Exchanges'), grid('exchanges', [['Cut'], ['Exchange', 1], ['To each other rank'], ['After', 1]],
    s.cuts.flatMap((k, i) => k.exchanges.map(x => [i, x.collective, bytes(x.link_bytes), name(x.node)]))));
  if (s.whole.length) tabs.ranks.append(el('h2', null, 'Whole on each rank'), grid('whole', [['Weights'], ['Node', 1], ['Why', 1]], s.whole.map(w => [bytes(w.weights_bytes), name(w.node), w.why])));
  if (!s.stages) tabs.ranks.append(el('h2', null, 'Weights of each rank'), grid('shares', [['Rank'], ['Weights']], s.weights_bytes.map((n, i) => [i, bytes(n)])));
}

/* ---- search ---- */

let hits = [], chosenHit = 0;

function search() {
  const words = query.value.toLowerCase().split(/\s+/).filter(w => w);
  hits = [];
  for (const graph of graphs) graph.found.clear();
  if (words.length) {
    data.kernels.forEach((k, i) => { if (words.every(w => (k.name + ' ' + k.label).toLowerCase().includes(w))) hits.push({kernel: i}); });
    data.graphs.forEach((g, side) => g.ops.forEach((op, i) => {
      const text = [op.op, nameOf(side, i), ...(op.nodes || [])].join(' ').toLowerCase();
      if (!words.every(w => text.includes(w))) return;
      hits.push({side, op: i});
      graphs[side].found.add(i);
    }));
  }
  chosenHit = 0;
  showHits(words.length > 0);
  redraw();
}

function showHits(open) {
  const most = 60, begin = Math.max(0, Math.min(chosenHit - 10, hits.length - most));
  results.hidden = !open;
  results.replaceChildren(...hits.slice(begin, begin + most).map((hit, i) => {
    const kernel = 'kernel' in hit;
    return el('div', {role: 'option', 'aria-selected': String(begin + i === chosenHit), onpointerdown: e => { e.preventDefault(); take(begin + i); results.hidden = true; }},
      el('b', null, kernel ? data.kernels[hit.kernel].label : data.graphs[hit.side].ops[hit.op].op), el('span', null, kernel ? 'kernel' : nameOf(hit.side, hit.op)), kernel ? '' : hit.side ? 'after' : 'before');
  }), el('p', null, hits.length ? count(hits.length, 'hit') : 'Nothing is called so.'));
  results.querySelector('[aria-selected=true]')?.scrollIntoView({block: 'nearest'});
}

function take(i) {
  chosenHit = i;
  const hit = hits[i];
  if ('kernel' in hit) {
    selectKernel(hit.kernel);
    return;
  }
  selectOp(hit.side, hit.op, true);
}

query.addEventListener('keydown', e => {
  if (!hits.length && e.key !== 'Escape') return;
  if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
    e.preventDefault();
    chosenHit = (chosenHit + (e.key === 'ArrowDown' ? 1 : hits.length - 1)) % hits.length;
    showHits(true);
  } else if (e.key === 'Enter') {
    take(results.hidden ? (chosenHit + (e.shiftKey ? hits.length - 1 : 1)) % hits.length : chosenHit);
    results.hidden = true;
  } else if (e.key === 'Escape') {
    query.value = '';
    search();
    query.blur();
  }
});
query.addEventListener('blur', () => results.hidden = true);
query.addEventListener('focus', () => { if (hits.length) showHits(true); });

/* ---- keys ---- */

const both = fn => () => graphs.forEach(fn);
const keys = {
  '/': () => query.select(),
  f: both(g => { g.fit(); g.draw(); }),
  '+': both(g => g.zoom(1.25)), '=': both(g => g.zoom(1.25)), '-': both(g => g.zoom(0.8)),
  ArrowLeft: both(g => g.pan(60, 0)), ArrowRight: both(g => g.pan(-60, 0)), ArrowUp: both(g => g.pan(0, 60)), ArrowDown: both(g => g.pan(0, -60)),
  e: () => foldAll(true), c: () => foldAll(false),
  1: () => show('graph'), 2: () => show('kernels'), 3: () => show('memory'), 4: () => show('ranks'),
  Enter: () => { if (hits.length) take((chosenHit + 1) % hits.length); },
  Escape: selectNothing
};

addEventListener('keydown', e => {
  if (current !== 'graph' && e.key.startsWith('Arrow')) return; // they scroll
  if (e.target === query || e.ctrlKey || e.metaKey || e.altKey || !Object.hasOwn(keys, e.key)) return;
  if (e.key === 'Enter' && e.target.tagName === 'BUTTON') return;
  e.preventDefault();
  keys[e.key]();
});

/* ---- begin ---- */

/* Shows what the fragment of the address names: #kernels, #memory, #graph&op=1:17, #graph&open=all */
function follow() {
  const parts = location.hash.slice(1).split('&'), value = name => (parts.find(p => p.startsWith(name + '=')) || '').slice(name.length + 1);
  if (value('open') === 'all') {
    foldAll(true);
    graphs.forEach(graph => graph.fit());
  }
  if (Object.hasOwn(tabs, parts[0])) show(parts[0]);
  const [side, op] = value('op').split(':').map(Number), kernel = Number(value('kernel') || NaN);
  if (data.graphs[side]?.ops[op]) selectOp(side, op, true);
  else if (data.kernels[kernel]) selectKernel(kernel);
}

readColors();
build();
tellPage();
show('graph');
graphs.forEach(graph => graph.fit(0.45));
follow();
graphs.forEach(graph => graph.drawNow());
document.body.dataset.ready = Math.round(performance.now());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  readColors();
  redraw();
  drawMemory();
});
addEventListener('hashchange', follow);

/* graph.js - one graph on a canvas: scopes that open and close, lines between what they hold, zoom and pan.
 *
 * Each scope comes with a layout in which all that is in it is folded. Where a box in it is open, it is wider and higher: its
 * neighbours in the layer make room, and layers below move down. */
'use strict';

const ITEM = {op: 0, scope: 1, input: 2, output: 3};
const BOX = {op: 36, port: 20, head: 26, pad: 14, gap: 16};
const START = 32; // boxes that are shown at first, about

/* A text from a model, with the numbers of characters in place of those that are invisible or change the direction of the text
 * around them. */
function shown(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, c => '\\u{' + c.codePointAt(0).toString(16) + '}');
}

/* The kind of an operator, which determines its colour. */
function kindOf(op) {
  if (/MatMul|Gemm|Conv|Einsum|Attention|Contract|LSTM|GRU|RNN/.test(op)) return 'product';
  if (/Softmax|Norm|Reduce|Pool|ArgM|CumSum|TopK|Loss|Mean|Sum$/.test(op)) return 'reduce';
  if (/^(If|Loop|Scan)$|Bind|Assume|Let$/.test(op)) return 'control';
  if (/Shape|Reshape|Transpose|Slice|Concat|Gather|Scatter|Expand|Squeeze|squeeze|Split|Flatten|Tile|Pad|Constant|Range|Identity|Cast|Size|Copy/.test(op)) return 'move';
  return 'element';
}

class Graph {
  /* on: {select(graph, item), hover(graph, item, event), fold(path, open)} */
  constructor(graph, canvas, on) {
    this.g = graph;
    this.canvas = canvas;
    this.on = on;
    this.pen = canvas.getContext('2d');
    this.open = new Set([0]);
    this.chosen = new Set();  // the chosen ops
    this.related = new Set(); // ops that the kernels of the chosen ops compute as well
    this.values = new Set();  // values whose lines are emphasized
    this.found = new Set();   // ops that match the search
    this.view = {k: 1, x: 0, y: 0};
    this.cut = new Map();
    this.byPath = new Map();
    this.maker = new Map();   // value -> op
    graph.scopes.forEach((s, i) => s && this.byPath.set(s.path, i));
    graph.ops.forEach((op, i) => op.out.forEach(v => this.maker.set(v, i)));
    graph.ops.forEach(op => op.kind = kindOf(op.op));
    this.openFirst();
    this.compose();
    this.listen();
  }

  /* Opens scopes, the largest first, as long as at most START boxes are shown, and any scope with at least half of the ops. */
  openFirst() {
    const inside = s => this.g.scopes[s].items.filter(([kind]) => kind === ITEM.scope).map(([, ref]) => ref);
    let boxes = this.g.scopes[0].items.length, closed = inside(0);
    while (closed.length) {
      const next = closed.reduce((a, b) => this.g.scopes[b].ops > this.g.scopes[a].ops ? b : a);
      boxes += this.g.scopes[next].items.length;
      if (boxes > START && 2 * this.g.scopes[next].ops < this.g.ops.length) return;
      this.open.add(next);
      closed = closed.filter(s => s !== next).concat(inside(next));
    }
  }

  /* ---- where things are ---- */

  compose() {
    this.root = this.composeScope(0);
  }

  composeScope(index) {
    const s = this.g.scopes[index], rows = [];
    const put = entry => (rows[entry.layer] ||= []).push(entry);
    const items = s.items.map(([kind, ref, layer, x, width]) => {
      const item = {kind, ref, layer, x0: x, w0: width, w: width, h: kind < ITEM.input ? BOX.op : BOX.port, ins: [], outs: []};
      if (kind === ITEM.scope && this.open.has(ref)) {
        item.child = this.composeScope(ref);
        item.w = Math.max(item.child.w + 2 * BOX.pad, width);
        item.h = item.child.h + BOX.head + BOX.pad;
      }
      put(item);
      return item;
    });
    const nets = s.nets.map(([value, from, to, bends]) => ({value, from: items[from], to: to.map(i => items[i]),
      bends: bends.map((x, i) => ({layer: items[from].layer + 1 + i, x0: x, w0: 0, w: 0, h: 0}))}));
    nets.forEach(net => net.bends.forEach(put));
    const box = {items, nets, rows: [], w: 0, h: 0};
    placeColumns(rows, box);
    placeRows(rows, box, nets);
    nets.forEach(attach);
    items.forEach(item => spread(item));
    return box;
  }

  /* ---- opening and closing ---- */

  setOpen(path, open) {
    const scope = this.byPath.get(path);
    if (scope === undefined || this.open.has(scope) === open) return;
    const was = this.headOf(scope);
    if (open) this.open.add(scope);
    else this.open.delete(scope);
    this.compose();
    const is = this.headOf(scope);
    if (!was || !is) return;
    this.view.x += (was.x - is.x) * this.view.k;
    this.view.y += (was.y - is.y) * this.view.k;
  }

  /* Opens the scopes whose paths are open in the other graph, and closes all others. */
  openLike(other) {
    this.open = new Set([0]);
    this.byPath.forEach((s, path) => { if (other.open.has(other.byPath.get(path))) this.open.add(s); });
    this.compose();
  }

  openAll(open) {
    this.open = new Set([0]);
    if (open) this.g.scopes.forEach((s, i) => s && this.open.add(i));
    this.compose();
  }

  /* Opens all scopes around an op. Returns whether one of them was closed. */
  reveal(op) {
    let closed = false;
    for (let s = this.g.ops[op].scope; s > 0; s = this.g.scopes[s].parent) {
      closed ||= !this.open.has(s);
      this.on.fold(this.g.scopes[s].path, true);
    }
    return closed;
  }

  /* The position of the top of a scope's box, which stays where it is when the box opens; null: the box is not shown. */
  headOf(scope) {
    let head = null;
    this.each((item, x, y) => { if (item.kind === ITEM.scope && item.ref === scope) head = {x, y: y - item.h / 2}; });
    return head;
  }

  /* ---- finding ---- */

  /* Calls fn(item, x, y) for each item that is shown, with the position of its middle; a box precedes the items in it. */
  each(fn, box = this.root, x = 0, y = 0) {
    for (const item of box.items) {
      fn(item, x + item.x, y + item.y);
      if (item.child) this.each(fn, item.child, ...inside(item, x, y));
    }
  }

  at(px, py) {
    const x = (px - this.view.x) / this.view.k, y = (py - this.view.y) / this.view.k;
    let hit = null;
    this.each((item, cx, cy) => {
      if (Math.abs(x - cx) <= item.w / 2 && Math.abs(y - cy) <= item.h / 2) hit = {item, x: cx, y: cy};
    });
    return hit && hit.item;
  }

  /* The op that a box stands for; -1: none. */
  opOf(item) {
    return item.kind === ITEM.op ? item.ref : item.kind === ITEM.scope ? this.g.scopes[item.ref].op : -1;
  }

  /* Moves to an op, if it is out of sight or `always`. */
  center(op, always) {
    let place = null;
    this.each((item, x, y) => { if (this.opOf(item) === op) place = {x, y, h: item.h}; });
    if (!place) return;
    const {width, height} = this.size(), px = place.x * this.view.k + this.view.x, py = place.y * this.view.k + this.view.y;
    if (!always && px > 40 && px < width - 40 && py > 30 && py < height - 30 && this.view.k > 0.35) return;
    this.view.k = Math.max(this.view.k, 0.75);
    this.view.x = width / 2 - place.x * this.view.k;
    this.view.y = height / 2 - place.y * this.view.k;
  }

  size() {
    return {width: this.canvas.clientWidth, height: this.canvas.clientHeight};
  }

  /* Shows the whole graph; if its height would make the scale less than `least`, only its upper part. */
  fit(least = 0) {
    const {width, height} = this.size(), top = 44, margin = 16;
    this.view.k = Math.min(1.15, (width - 2 * margin) / this.root.w, Math.max(least, (height - top - margin) / this.root.h));
    this.view.x = (width - this.root.w * this.view.k) / 2;
    this.view.y = Math.max(top, (height - this.root.h * this.view.k) / 2);
  }

  zoom(factor, px = this.size().width / 2, py = this.size().height / 2) {
    const k = Math.min(3, Math.max(0.01, this.view.k * factor));
    this.view.x = px - (px - this.view.x) * k / this.view.k;
    this.view.y = py - (py - this.view.y) * k / this.view.k;
    this.view.k = k;
    this.draw();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.draw();
  }

  /* ---- the pointer ---- */

  listen() {
    const c = this.canvas;
    let drag = null;
    c.addEventListener('wheel', e => {
      e.preventDefault();
      this.zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0016)), e.offsetX, e.offsetY);
    }, {passive: false});
    c.addEventListener('pointerdown', e => {
      drag = {x: e.clientX, y: e.clientY, moved: false};
      c.setPointerCapture(e.pointerId);
    });
    c.addEventListener('pointermove', e => {
      if (!drag) {
        this.on.hover(this, this.at(e.offsetX, e.offsetY), e);
        return;
      }
      const dx = e.clientX - drag.x, dy = e.clientY - drag.y;
      drag.moved ||= Math.abs(dx) + Math.abs(dy) > 4;
      if (!drag.moved) return;
      drag.x = e.clientX;
      drag.y = e.clientY;
      this.pan(dx, dy);
    });
    c.addEventListener('pointerup', e => {
      if (drag && !drag.moved) this.click(this.at(e.offsetX, e.offsetY));
      drag = null;
    });
    c.addEventListener('pointercancel', () => drag = null);
    c.addEventListener('pointerleave', e => this.on.hover(this, null, e));
  }

  click(item) {
    if (item && item.kind === ITEM.scope) this.on.fold(this.g.scopes[item.ref].path, !this.open.has(item.ref));
    this.on.select(this, item);
  }

  /* ---- drawing ---- */

  draw() {
    this.due ||= requestAnimationFrame(() => {
      this.due = 0;
      this.drawNow();
    });
  }

  drawNow() {
    const {width, height} = this.size(), ratio = devicePixelRatio || 1, p = this.pen, v = this.view;
    if (!width || !height) return;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    p.setTransform(ratio, 0, 0, ratio, 0, 0);
    p.clearRect(0, 0, width, height);
    p.setTransform(ratio * v.k, 0, 0, ratio * v.k, ratio * v.x, ratio * v.y);
    this.sight = {left: -v.x / v.k, top: -v.y / v.k, right: (width - v.x) / v.k, bottom: (height - v.y) / v.k};
    this.drawn = 0;
    this.marked = [this.chosen, this.found, this.related].map(set => this.scopesOf(set));
    this.drawBox(this.root, 0, 0, 0);
    this.canvas.dataset.drawn = this.drawn;
  }

  sees(left, top, right, bottom) {
    const s = this.sight;
    return right >= s.left && left <= s.right && bottom >= s.top && top <= s.bottom;
  }

  drawBox(box, x, y, depth) {
    const p = this.pen;
    for (const strong of [false, true]) {
      p.lineWidth = strong ? 2.2 : Math.max(1, 0.5 / this.view.k);
      p.strokeStyle = strong ? colors.accent : colors.edge;
      for (const net of box.nets)
        if (this.values.has(net.value) === strong && this.sees(x + net.left, y + net.top, x + net.right, y + net.bottom)) drawNet(p, net, x, y);
    }
    for (const item of box.items)
      if (this.sees(x + item.x - item.w / 2, y + item.y - item.h / 2, x + item.x + item.w / 2, y + item.y + item.h / 2)) this.drawItem(item, x, y, depth);
  }

  drawItem(item, x, y, depth) {
    const left = x + item.x - item.w / 2, top = y + item.y - item.h / 2;
    if (item.kind === ITEM.op) this.drawOp(item, left, top);
    else if (item.kind === ITEM.scope) this.drawScope(item, left, top, depth);
    else this.drawPort(item, left, top);
    if (item.child) this.drawBox(item.child, ...inside(item, x, y), depth + 1);
  }

  /* Scopes in which some of these ops are. */
  scopesOf(ops) {
    const scopes = new Set();
    for (const op of ops) for (let s = this.g.ops[op].scope; s > 0 && !scopes.has(s); s = this.g.scopes[s].parent) scopes.add(s);
    return scopes;
  }

  /* Draws an outline around number i of the ops or closed scopes if it is in one of the sets: of the chosen, found and related
   * ops, or of the scopes that contain such ops. */
  mark(sets, i, left, top, width, height, radius) {
    const which = sets.findIndex(set => set.has(i)), p = this.pen;
    if (which < 0) return;
    p.lineWidth = Math.max(which ? 2 : 2.5, (which ? 1.3 : 1.8) / this.view.k);
    p.strokeStyle = [colors.accent, colors.found, colors.related][which];
    rounded(p, left - 2, top - 2, width + 4, height + 4, radius + 2);
    p.stroke();
  }

  drawOp(item, left, top) {
    const op = this.g.ops[item.ref], p = this.pen, k = this.view.k, tint = colors[op.kind];
    this.drawn++;
    rounded(p, left, top, item.w, item.h, 6);
    p.fillStyle = k > 0.15 ? tint.fill : tint.edge; /* in its darker colour if it is so small that it looks like a dot */
    p.fill();
    p.lineWidth = 1;
    p.strokeStyle = tint.edge;
    if (k > 0.15) p.stroke();
    if (op.stripe && k > 0.15) {
      p.fillStyle = op.stripe;
      rounded(p, left + 3, top + 6, 4, item.h - 12, 2);
      p.fill();
    }
    if (k > 0.28) {
      const type = op.out.length && op.out[0] >= 0 ? this.g.values[op.out[0]][1] : '';
      this.write(op.op, left + 13, top + (type ? 16 : 23), item.w - 20, '600 12px ', colors.ink);
      if (type) this.write(type, left + 13, top + 30, item.w - 20, '10px ', colors.soft);
    }
    this.mark([this.chosen, this.found, this.related], item.ref, left, top, item.w, item.h, 6);
  }

  drawScope(item, left, top, depth) {
    const s = this.g.scopes[item.ref], p = this.pen, k = this.view.k, open = !!item.child;
    if (s.op >= 0) this.drawn++;
    rounded(p, left, top, item.w, item.h, 9);
    p.fillStyle = open ? colors.depth[depth % 2] : colors.folded;
    p.fill();
    p.lineWidth = Math.max(1, 0.6 / k);
    p.strokeStyle = s.op >= 0 ? colors.control.edge : colors.border;
    p.stroke();
    if (k > 0.2 || (k > 0.07 && item.w * k > 60)) this.writeHead(item, s, left, top, open);
    if (!open) this.mark(this.marked, item.ref, left, top, item.w, item.h, 9);
    this.mark([this.chosen, this.found, this.related], s.op, left, top, item.w, item.h, 9);
  }

  writeHead(item, s, left, top, open) {
    const p = this.pen, big = open ? Math.min(2.2, Math.max(1, 0.6 / this.view.k)) : 1;
    const title = s.op >= 0 ? this.g.ops[s.op].op + ' ' + s.name : s.name;
    p.fillStyle = colors.soft;
    p.beginPath();
    if (open) p.moveTo(left + 10, top + 10), p.lineTo(left + 19, top + 10), p.lineTo(left + 14.5, top + 17);
    else p.moveTo(left + 11, top + 14), p.lineTo(left + 18, top + 19), p.lineTo(left + 11, top + 24);
    p.fill();
    this.write(title, left + 25, top + (open ? 9 + 9 * big : 17), item.w - 34, '600 ' + 12 * big + 'px ', colors.ink);
    if (!open) this.write(count(s.ops, 'op'), left + 25, top + 31, item.w - 34, '10px ', colors.soft);
  }

  drawPort(item, left, top) {
    const p = this.pen, name = item.ref < 0 ? '' : this.g.values[item.ref][0];
    rounded(p, left, top, item.w, item.h, item.h / 2);
    p.fillStyle = this.values.has(item.ref) ? colors.strong : colors.port;
    p.fill();
    if (this.view.k > 0.4) this.write(name, left + 9, top + 14, item.w - 16, '10px ', colors.soft);
  }

  write(text, x, y, width, font, color) {
    const p = this.pen;
    p.font = font + colors.font;
    p.fillStyle = color;
    const key = font + Math.round(width) + ' ' + text;
    let short = this.cut.get(key);
    if (short === undefined) {
      short = shorten(p, shown(text), width);
      if (this.cut.size > 20000) this.cut.clear();
      this.cut.set(key, short);
    }
    p.fillText(short, x, y);
  }
}

/* ---- geometry ---- */

/* Where the inside of an open box begins, on the page. */
function inside(item, x, y) {
  return [x + item.x - item.child.w / 2, y + item.y - item.h / 2 + BOX.head];
}

/* Places the boxes of each row; an open box is wider than in the layout, and moves its neighbours aside. */
function placeColumns(rows, box) {
  let left = Infinity, right = -Infinity;
  for (const row of rows) {
    if (!row) continue;
    row.sort((a, b) => a.x0 - b.x0);
    let after = row.reduce((sum, e) => sum + e.w - e.w0, 0), before = 0;
    for (const e of row) {
      const grown = e.w - e.w0;
      after -= grown;
      e.x = e.x0 + (before - after) / 2;
      before += grown;
      left = Math.min(left, e.x - e.w / 2);
      right = Math.max(right, e.x + e.w / 2);
    }
  }
  for (const row of rows) if (row) for (const e of row) e.x -= left;
  box.w = Math.max(0, right - left);
}

/* Places the layers below each other; the space between two is larger if lines between them go far sideways. */
function placeRows(rows, box, nets) {
  const wide = new Array(rows.length + 1).fill(0);
  for (const net of nets) {
    let last = net.from;
    for (const bend of net.bends) {
      wide[bend.layer] = Math.max(wide[bend.layer], Math.abs(bend.x - last.x));
      last = bend;
    }
    for (const to of net.to) if (to.layer === last.layer + 1) wide[to.layer] = Math.max(wide[to.layer], Math.abs(to.x - last.x));
  }
  let y = BOX.pad / 2;
  for (let i = 0; i < rows.length; i++) {
    const height = (rows[i] || []).reduce((most, e) => Math.max(most, e.h), 0);
    y += i ? BOX.gap + Math.min(30, wide[i] / 16) : 0;
    box.rows[i] = {top: y, bottom: y + height};
    for (const e of rows[i] || []) {
      e.y = y + height / 2;
      e.row = box.rows[i];
    }
    y += height;
  }
  box.h = y + BOX.pad / 2;
}

/* Makes the ends of a net at its boxes, and finds the rectangle that contains the net. */
function attach(net) {
  Object.assign(net, {left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity});
  for (const e of [net.from, ...net.bends, ...net.to]) {
    net.left = Math.min(net.left, e.x - e.w / 2);
    net.right = Math.max(net.right, e.x + e.w / 2);
    net.top = Math.min(net.top, e.y - e.h / 2 - 60); // lines to boxes that are not below (in a cycle) go that far
    net.bottom = Math.max(net.bottom, e.y + e.h / 2 + 60);
  }
  net.out = {net, x: net.from.x};
  net.from.outs.push(net.out);
  net.ends = net.to.map(to => {
    const above = net.bends.find(b => b.layer === to.layer - 1) || net.from;
    const end = {net, near: above.x, x: to.x, to};
    to.ins.push(end);
    return end;
  });
}

/* Places the ends of the nets at an item side by side, in the order of their other ends; at an open box, at its ports. */
function spread(item) {
  item.ins.sort((a, b) => a.near - b.near);
  const room = Math.min(item.w * 0.6, 14 * (item.ins.length - 1));
  item.ins.forEach((end, i) => end.x = item.x + (item.ins.length > 1 ? (i / (item.ins.length - 1) - 0.5) * room : 0));
  item.outs.forEach((end, i) => end.x = item.x + (i - (item.outs.length - 1) / 2) * Math.min(10, item.w * 0.6 / item.outs.length));
  if (!item.child) return;
  const left = item.x - item.child.w / 2;
  const port = (kind, end) => {
    const found = item.child.items.find(p => p.kind === kind && p.ref === end.net.value);
    if (found) end.x = left + found.x;
  };
  item.ins.forEach(end => port(ITEM.input, end));
  item.outs.forEach(end => port(ITEM.output, end));
}

function curve(p, x1, y1, x2, y2) {
  const middle = (y1 + y2) / 2;
  p.bezierCurveTo(x1, middle, x2, middle, x2, y2);
}

/* Draws a net from its source down through its bends, with a branch to each target. Branches to targets that are not below the
 * source, in a cycle, are curves that leave it downwards and enter the target from above. */
function drawNet(p, net, x, y) {
  const from = net.from, places = [{layer: from.layer, x: x + net.out.x, y: y + from.row.bottom}];
  p.beginPath();
  p.moveTo(x + net.out.x, y + from.y + from.h / 2);
  p.lineTo(x + net.out.x, y + from.row.bottom);
  for (const bend of net.bends) {
    const last = places[places.length - 1];
    p.moveTo(last.x, last.y);
    curve(p, last.x, last.y, x + bend.x, y + bend.row.top);
    p.lineTo(x + bend.x, y + bend.row.bottom);
    places.push({layer: bend.layer, x: x + bend.x, y: y + bend.row.bottom});
  }
  for (const end of net.ends) {
    const top = y + end.to.y - end.to.h / 2, near = places.find(e => e.layer === end.to.layer - 1) || places[0];
    p.moveTo(near.x, near.y);
    if (end.to.layer > from.layer) {
      curve(p, near.x, near.y, x + end.x, y + end.to.row.top);
      p.lineTo(x + end.x, top);
    } else
      p.bezierCurveTo(near.x, near.y + 60, x + end.x, top - 60, x + end.x, top);
  }
  p.stroke();
}

function rounded(p, x, y, w, h, r) {
  p.beginPath();
  p.roundRect(x, y, w, h, r);
}

/* The text, or as much of its beginning as fits the width. */
function shorten(p, text, width) {
  if (p.measureText(text).width <= width) return text;
  let least = 0, most = Math.min(text.length, 200);
  while (least < most) {
    const n = (least + most + 1) >> 1;
    if (p.measureText(text.slice(0, n) + '…').width <= width) least = n;
    else most = n - 1;
  }
  return least ? text.slice(0, least) + '…' : '';
}

function count(n, what) {
  return n.toLocaleString('en') + ' ' + what + (n === 1 ? '' : 's');
}

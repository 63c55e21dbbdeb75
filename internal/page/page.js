// The page of one agent. Data flows one way:
//
//   /me/history, /me/stream ──► history ──► plots
//   /me/status, /me/warnings (in the stream, or asked) ──► show… (a function for each section)
//   /me/points ──► search
//   /me/explain ──► explain
//
// Whatever the agent sends becomes text (textContent), never markup.

const STATUS_SECONDS = 10;
const HOUR = 3600;
const MAX_LINES = 6; // of a plot

// ---- elements

const byID = (id) => document.getElementById(id);

// element returns an element with these properties and children; a child that is a
// string becomes text, null is left out.
function element(name, properties = {}, ...children) {
  const e = name === 'svg' || properties.svg
    ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'svg' || value == null || value === false) continue;
    if (key.startsWith('on')) e.addEventListener(key.slice(2), value);
    else e.setAttribute(key, value === true ? '' : value);
  }
  e.append(...children.filter((child) => child != null && child !== false));
  return e;
}

const svg = (name, properties) => element(name, { svg: true, ...properties });

// show gives a section these children. It changes only what differs, so that focus,
// selection, and what a person opened or scrolled to stay when a new status comes.
const show = (id, ...children) => adapt(byID(id), element('div', {}, ...children));

// adapt gives an element the children of another one.
function adapt(old, fresh) {
  const children = [...fresh.childNodes];
  children.forEach((child, i) => {
    const there = old.childNodes[i];
    if (!there) old.append(child);
    else if (there.nodeName !== child.nodeName || there.dataset?.key !== child.dataset?.key) there.replaceWith(child);
    else if (child.nodeName !== '#text') { adaptAttributes(there, child); adapt(there, child); }
    else if (there.data !== child.data) there.data = child.data;
  });
  while (old.childNodes.length > children.length) old.lastChild.remove();
}

// What a person did to an element, which the status does not undo.
const DONE = ['open', 'aria-disabled'];

function adaptAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !DONE.includes(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

// ---- values as text

const count = (n) => n.toLocaleString('en');

function quantity(value, unit) {
  if (value == null || Number.isNaN(value)) return '–';
  if (unit === '%') return value.toFixed(1) + ' %';
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];
  let i = 0;
  while (Math.abs(value) >= 1000 && i < prefixes.length - 1) { value /= 1000; i++; }
  const digits = Math.abs(value) >= 100 || (value === Math.round(value) && i === 0) ? 0 : 2;
  return (value.toFixed(digits) + ' ' + prefixes[i] + unit).trim();
}

function duration(seconds) {
  seconds = Math.max(seconds, 0);
  if (seconds < 1) return Math.round(seconds * 1000) + ' ms';
  if (seconds < 120) return Math.round(seconds) + ' s';
  if (seconds < 2 * HOUR) return Math.round(seconds / 60) + ' min';
  if (seconds < 48 * HOUR) return Math.round(seconds / HOUR) + ' h';
  return Math.round(seconds / 86400) + ' days';
}

const secondsOf = (time) => Date.parse(time) / 1000;
// The agent's own clock: the browser's may be another.
let clock = 0;
const now = () => Date.now() / 1000 + clock;
const ago = (time) => (time ? duration(now() - secondsOf(time)) + ' ago' : 'never');
const clockTime = (seconds) => new Date(seconds * 1000).toLocaleTimeString('en-GB');

// ---- the agent

// ask returns the JSON of an answer; an error's message is the agent's sentence.
async function ask(path, options) {
  const response = await fetch(path, { cache: 'no-store', ...options });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.detail || response.statusText), { answer });
  return answer;
}

// ---- history and plots

// Each plot has a line for each name, and with a tag one for each of its values.
const PLOTS = [
  { title: 'CPU', unit: '%', top: 100, names: ['cpu.user', 'cpu.system', 'cpu.iowait', 'cpu.steal'], labels: ['user', 'system', 'iowait', 'steal'] },
  { title: 'Memory', unit: '%', top: 100, names: ['mem.used.percent', 'mem.swap.used.percent'], labels: ['used', 'swap'] },
  { title: 'Load', unit: '', names: ['cpu.loadavg.1', 'cpu.loadavg.5', 'cpu.loadavg.15'], labels: ['1 min', '5 min', '15 min'] },
  { title: 'Disks: busy', unit: '%', top: 100, names: ['disk.io.util'], labels: [''], tag: 'device' },
  { title: 'Disks: bytes', unit: 'B/s', names: ['disk.io.read_bytes', 'disk.io.write_bytes'], labels: ['read', 'write'], tag: 'device' },
  { title: 'Network', unit: 'bit/s', names: ['net.in', 'net.out'], labels: ['in', 'out'], tag: 'interface' },
  { title: 'File systems: used', unit: '%', top: 100, names: ['fs.space.used.percent'], labels: [''], tag: 'mount' },
];
const MATCH = [...new Set(PLOTS.flatMap((plot) => plot.names))].join(',');

const history = new Map(); // key → {name, tags, interval, points: [[time, value]]}
const keyOf = (name, tags) => name + '\n' + Object.entries(tags).sort().join('\n');

function addPoint(name, tags, time, value, interval) {
  if (typeof value !== 'number' || !PLOTS.some((plot) => plot.names.includes(name))) return;
  const key = keyOf(name, tags);
  let series = history.get(key);
  if (!series) history.set(key, series = { name, tags, interval: interval || 10, points: [] });
  if (interval) series.interval = interval;
  const last = series.points.at(-1);
  if (last && time <= last[0]) return; // it is there already, or the clock was set back
  series.points.push([time, value]);
  while (series.points[0][0] < time - HOUR - series.interval) series.points.shift();
}

async function loadHistory() {
  const answer = await ask('me/history?match=' + encodeURIComponent(MATCH));
  history.clear();
  for (const s of answer.series) {
    s.values.forEach((value, i) => addPoint(s.name, s.tags, s.start + i * s.interval, value, s.interval));
  }
}

// view is the time that all plots show; null: the last hour.
let view = null;
const range = () => view || [now() - HOUR, now()];

function setView(next) {
  view = next;
  byID('unzoom').hidden = !view;
  drawAll();
}

class Plot {
  constructor(spec) {
    this.spec = spec;
    this.cursor = null; // time that the person looks at
    this.note = element('span');
    this.legend = element('ul', { class: 'legend' });
    this.graph = element('svg', { viewBox: '0 0 1000 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    this.figure = element('figure', { tabindex: '0' },
      element('figcaption', {}, element('h3', {}, spec.title), this.note), this.graph, this.legend);
    this.graph.addEventListener('pointerdown', (event) => this.press(event));
    this.graph.addEventListener('pointermove', (event) => this.move(event));
    this.graph.addEventListener('pointerup', (event) => this.release(event));
    this.graph.addEventListener('pointerleave', () => { if (this.from == null) this.look(null); });
    this.figure.addEventListener('keydown', (event) => this.key(event));
    this.figure.addEventListener('blur', () => this.look(null));
  }

  timeAt(event) {
    const box = this.graph.getBoundingClientRect();
    const [start, end] = range();
    return start + Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * (end - start);
  }

  look(time) { this.cursor = time; this.draw(); }

  press(event) {
    if (event.pointerType === 'touch') return; // which scrolls
    this.from = this.timeAt(event);
    this.graph.setPointerCapture(event.pointerId);
  }

  move(event) { this.look(this.timeAt(event)); }

  release(event) {
    const to = this.timeAt(event), from = this.from;
    this.from = null;
    if (from != null && Math.abs(to - from) > 20) setView([Math.min(from, to), Math.max(from, to)]);
    else this.draw();
  }

  key(event) {
    const [start, end] = range(), width = end - start, at = this.cursor ?? end;
    const step = Math.max(width / 60, 10);
    switch (event.key) {
      case 'ArrowLeft': this.look(Math.max(at - step, start)); break;
      case 'ArrowRight': this.look(Math.min(at + step, end)); break;
      case '+': case '=': if (width > 120) setView([Math.max(at - width / 4, start), Math.min(at + width / 4, end)]); break;
      case '-': case 'Escape': setView(null); break;
      default: return;
    }
    event.preventDefault();
  }

  // lines returns the series of the plot, the largest first where there are many.
  lines() {
    const lines = [];
    for (const s of history.values()) {
      if (!this.spec.names.includes(s.name)) continue;
      const [start, end] = range();
      const points = s.points.filter(([t]) => t >= start - s.interval && t <= end + s.interval);
      const order = this.spec.names.indexOf(s.name);
      const label = ((this.spec.tag ? s.tags[this.spec.tag] + ' ' : '') + this.spec.labels[order]).trim();
      lines.push({ label, interval: s.interval, points, order, last: points.at(-1)?.[1] ?? 0 });
    }
    if (this.spec.tag) lines.sort((a, b) => b.last - a.last || (a.label < b.label ? -1 : 1));
    else lines.sort((a, b) => a.order - b.order);
    return lines;
  }

  draw() {
    const all = this.lines(), lines = all.slice(0, MAX_LINES);
    this.figure.hidden = all.length === 0;
    const [start, end] = range();
    const largest = Math.max(0, ...lines.flatMap((line) => line.points.map(([, value]) => value)));
    const top = this.spec.top ?? (largest * 1.1 || 1);
    const x = (time) => ((time - start) / (end - start)) * 1000;
    const y = (value) => 100 - (Math.min(value, top) / top) * 98 - 1;
    const parts = [25, 50, 75].map((h) => svg('line', { class: 'grid', x1: 0, x2: 1000, y1: h, y2: h }));
    lines.forEach((line, i) => {
      for (const run of unbroken(line)) {
        const dots = run.length > 1 ? run : [[run[0][0] - line.interval / 2, run[0][1]], run[0]];
        parts.push(svg('polyline', { class: 'c' + i, points: dots.map(([t, v]) => x(t).toFixed(1) + ',' + y(v).toFixed(1)).join(' ') }));
      }
    });
    if (this.from != null && this.cursor != null) {
      const a = x(Math.min(this.from, this.cursor)), b = x(Math.max(this.from, this.cursor));
      parts.push(svg('rect', { class: 'zoom', x: a, width: b - a, y: 0, height: 100 }));
    }
    if (this.cursor != null) parts.push(svg('line', { class: 'cursor', x1: x(this.cursor), x2: x(this.cursor), y1: 0, y2: 100 }));
    this.graph.replaceChildren(...parts);

    const valueOf = (line) => quantity(this.cursor == null ? line.points.at(-1)?.[1] : nearest(line, this.cursor), this.spec.unit);
    this.legend.replaceChildren(...lines.map((line, i) => element('li', {}, element('i', { class: 'c' + i }), line.label + ' ' + valueOf(line))));
    if (all.length > lines.length) this.legend.append(element('li', {}, 'and ' + (all.length - lines.length) + ' more'));
    this.note.textContent = this.cursor == null ? 'up to ' + quantity(largest, this.spec.unit) : clockTime(this.cursor);
    this.figure.setAttribute('aria-label', this.spec.title + (this.cursor == null ? ' now: ' : ' at ' + clockTime(this.cursor) + ': ') +
      lines.map((line) => line.label + ' ' + valueOf(line)).join(', ') + '; highest ' + quantity(largest, this.spec.unit));
  }
}

// unbroken splits a line where values are missing.
function unbroken(line) {
  const runs = [];
  let before = null;
  for (const point of line.points) {
    if (before == null || point[0] - before > 2.5 * line.interval) runs.push([]);
    runs.at(-1).push(point);
    before = point[0];
  }
  return runs;
}

function nearest(line, time) {
  let best;
  for (const [t, value] of line.points) {
    if (best == null || Math.abs(t - time) < Math.abs(best[0] - time)) best = [t, value];
  }
  return best && Math.abs(best[0] - time) <= line.interval ? best[1] : null;
}

const plots = PLOTS.map((spec) => new Plot(spec));
const drawAll = () => plots.forEach((plot) => plot.draw());

// drawSoon draws once for the points that come within half a second.
let drawing = null;
function drawSoon() {
  drawing ??= setTimeout(() => { drawing = null; drawAll(); }, 500);
}

// ---- sections that show the status

let mayControl = false;

function showStatus(status) {
  clock += secondsOf(status.started) + status.uptime - now();
  byID('host').textContent = status.hostname;
  document.title = (status.wrong.length ? '(' + status.wrong.length + ') ' : '') + status.hostname + ' · agent';
  byID('build').textContent = 'agent ' + status.version + ', up for ' + duration(status.uptime);
  showWrong(status);
  showNamespaces(status);
  showPlugins(status);
  showOutput(status);
  showRegistry(status);
}

function showWrong(status) {
  show('wrong-list', status.wrong.length
    ? element('ul', {}, ...status.wrong.map((sentence) => element('li', {}, sentence)))
    : element('p', { class: 'good' }, 'Nothing is wrong.'));
}

const sum = (dropped) => Object.values(dropped || {}).reduce((a, b) => a + b, 0);

function showNamespaces(status) {
  const names = [...new Set([...status.namespaces, ...Object.keys(status.accounts)])].sort();
  const row = (name, account = { accepted: 0, delivered: 0, waiting: 0 }) => element('tr', {},
    element('th', { scope: 'row' }, name),
    ...['accepted', 'delivered', 'waiting'].map((key) => element('td', { class: 'number' }, count(account[key]))),
    element('td', { class: sum(account.dropped) ? 'number lost' : 'number' }, count(sum(account.dropped))));
  show('namespaces',
    element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'Namespace'),
      ...['Accepted', 'Delivered', 'Waiting', 'Dropped'].map((title) => element('th', { scope: 'col', class: 'number' }, title)))),
    element('tbody', {}, ...names.map((name) => row(name, status.accounts[name]))));
}

function showPlugins(status) {
  show('plugins', ...(status.plugins.length ? status.plugins.map(plugin) : [element('p', { class: 'hint' }, 'No plugins are assigned.')]));
}

function plugin(p) {
  const run = p.last_run;
  const state = !p.enabled ? 'disabled' : !p.installed ? 'not installed' : p.running ? 'running' : run && run.result !== 'ok' ? 'failed' : 'ok';
  const bad = state === 'failed' || state === 'not installed';
  const facts = [
    p.ns, p.interval ? 'every ' + duration(p.interval) : 'on demand',
    run && 'last run ' + ago(run.time) + ': ' + run.result + ' in ' + duration(run.duration),
    run && p.interval && p.enabled && 'next about ' + clockTime(secondsOf(run.time) + p.interval),
    p.cpu != null && run && duration(p.cpu) + ' of CPU',
    p.peak_memory && quantity(p.peak_memory, 'B') + ' of memory',
    p.commit && 'version ' + (p.version && p.version !== p.commit ? p.version + ' ' : '') + p.commit.slice(0, 8) + (p.since ? ', ' + ago(p.since) + (p.by ? ' by ' + p.by : '') : ''),
    p.signer && 'signed by ' + p.signer,
    p.user && 'runs as ' + p.user,
  ].filter(Boolean);
  const faults = [p.install_error, run && run.result !== 'ok' && (run.error || run.result), p.invalid_error].filter(Boolean);
  return element('article', { class: 'plugin', 'data-key': p.ns + ' ' + p.repo },
    element('h3', {}, p.repo + ' ', element('span', { class: bad ? 'lost' : state === 'ok' ? 'good' : 'soft' }, state)),
    element('p', {}, facts.join(' · ')),
    ...faults.map((fault) => element('p', { class: 'lost' }, fault)),
    p.stderr && element('details', {}, element('summary', {}, 'Standard error of the last run'), element('pre', { tabindex: '0' }, p.stderr)),
    mayControl && element('div', { class: 'actions' },
      ...['run', 'update', p.enabled ? 'disable' : 'enable', 'rollback'].map((what) =>
        element('button', { type: 'button', 'data-what': what, 'data-ns': p.ns, 'data-repo': p.repo, 'aria-label': what + ' ' + p.repo + ' of ' + p.ns }, what[0].toUpperCase() + what.slice(1)))));
}

// One listener for all buttons, as buttons come and go with their plugins. A button that
// works is only said to be disabled: a disabled one would lose the focus.
byID('plugins').addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button || button.ariaDisabled) return;
  const { what, ns, repo } = button.dataset, place = byID('action');
  button.ariaDisabled = 'true';
  place.textContent = what + ' ' + repo + '…';
  try {
    const answer = await ask('plugins/' + what + '?' + new URLSearchParams({ ns, repo }), { method: 'POST' });
    place.textContent = what + ' ' + repo + ': done.' + (answer.stdout ? '\n' + answer.stdout : '');
  } catch (error) {
    place.textContent = what + ' ' + repo + ': ' + error.message + (error.answer?.stdout ? '\n' + error.answer.stdout : '');
  }
  button.ariaDisabled = null;
  await ask('me/status').then(showStatus, lost);
});

const term = (name, ...content) => content.some((c) => c) ? [element('dt', {}, name), element('dd', {}, ...content)] : [];

let before = null; // the account that was shown last, for rates

function showOutput(status) {
  const { output } = status, total = output.total, at = now();
  const rate = before && at > before.at ? (total.delivered - before.delivered) / (at - before.at) : null;
  before = { at, delivered: total.delivered };
  const dropped = Object.entries(total.dropped || {}).filter(([, n]) => n).map(([reason, n]) => count(n) + ' ' + reason).join(', ');
  show('output',
    ...term('State', output.error ? element('span', { class: 'lost' }, 'takes no points: ' + output.error) : element('span', { class: 'good' }, 'takes points')),
    ...(output.servers || []).flatMap((server) => term(server.address, server.state + (server.since ? ' for ' + duration(now() - secondsOf(server.since)) : '') + (server.last_error ? '; last error: ' + server.last_error : ''))),
    ...term('Points', count(total.accepted) + ' accepted = ' + count(total.delivered) + ' delivered + ' + count(total.waiting) + ' waiting + ' + count(sum(total.dropped)) + ' dropped'),
    ...term('Delivered', rate != null && quantity(rate, '') + ' points a second'),
    ...term('On disk', output.disk && (count(output.disk.points) + ' points in ' + quantity(output.disk.bytes, 'B') +
      (output.disk.limit ? ' of ' + quantity(output.disk.limit, 'B') : '') + (output.disk.points && output.disk.oldest ? ', the oldest from ' + ago(output.disk.oldest) : ''))),
    ...term('Lost so far', dropped && element('span', { class: 'lost' }, dropped)));
}

function showRegistry(status) {
  const { registry, control } = status;
  const refused = status.plugins.filter((p) => p.refused || /policy/.test(p.install_error || ''));
  show('registry',
    ...term('Asked', ago(registry.asked)),
    ...term('Answered', ago(registry.answered)),
    ...term('Commit', registry.commit && registry.commit.slice(0, 12) + ', ' + ago(registry.date) + (registry.signer ? ', signed by ' + registry.signer : '')),
    ...term('Not believed yet', registry.doubted && 'an answer of ' + ago(registry.doubted)),
    ...term('What it would change', registry.changes && element('ul', {}, ...registry.changes.map((c) => element('li', {}, change(c)))),
      registry.answered && !registry.doubted && 'nothing: every answer is in force at once'),
    ...(registry.members || []).flatMap((m) => term(m.name, count(m.namespaces) + ' namespaces, ' +
      (m.error ? 'fails' : 'answered ' + ago(m.answered)))),
    ...term('Error', registry.error && element('span', { class: 'lost' }, registry.error)),
    ...(registry.problems || []).flatMap((problem) => term('Problem', problem)),
    ...term('Control', { loopback: 'by callers on this host', socket: 'by callers over the unix socket', token: 'with the token or a certificate' }[control.local] +
      (mayControl ? '; you may control this agent' : '; you may not') + (control.calls ? '' : '; plugins do not run on demand')),
    ...term('Refused by policy', refused.map((p) => p.repo).join(', ')),
    ...(status.warnings || []).flatMap((warning) => term('Config', warning)));
}

// The sentence of `agent plan` for a change.
const change = (c) => ({ add: '+', remove: '−', modify: '~' })[c.action] + ' ' + [c.what, c.ns, c.name].filter(Boolean).join(' ') +
  c.values.map((v) => ', ' + v.name + ' ' + (c.action === 'modify' ? (v.before || 'none') + ' → ' + (v.after || 'none') : v.before + v.after)).join('');

function showWarnings({ warnings }) {
  const line = (w) => element('li', {}, element('time', { datetime: w.time }, ago(w.time)), ' ' + w.message +
    Object.entries(w.attributes || {}).map(([key, value]) => ' ' + key + '=' + value).join(''));
  show('warnings', warnings.length ? element('ul', {}, ...warnings.map(line)) : element('p', { class: 'hint' }, 'None since the start.'));
}

// ---- why a name is not there

let explains = 0; // of several answers the last question's is shown

async function explain(event) {
  event.preventDefault();
  const mine = ++explains;
  let sentences;
  try {
    const answer = await ask('me/explain?' + new URLSearchParams({ name: byID('name').value.trim() }));
    sentences = answer.sentences.map((s) => element('p', { class: s === answer.reason ? 'lost' : null }, s));
  } catch (error) {
    sentences = [element('p', { class: 'lost' }, error.message)];
  }
  if (mine === explains) show('explained', ...sentences);
}

// ---- every series: a list of which only the visible rows are elements

const ROW = 28; // height in px, 1.75rem of page.css
let points = null; // null: nobody has looked yet
let found = [];

async function loadPoints() {
  const answer = await ask('me/points');
  points = answer.points.map((p) => ({ ...p, text: [p.name, p.ns, ...Object.entries(p.tags).map((tag) => tag.join('='))].join(' ').toLowerCase() }));
  byID('points').dataset.leftOut = answer.left_out;
  byID('points').hidden = false;
  search();
}

function search() {
  if (!points) return;
  const words = byID('query').value.toLowerCase().split(/\s+/).filter(Boolean);
  found = points.filter((p) => words.every((word) => p.text.includes(word)));
  const leftOut = Number(byID('points').dataset.leftOut);
  byID('found').textContent = count(found.length) + ' of ' + count(points.length) + ' series' + (leftOut ? '; ' + count(leftOut) + ' points were not looked at' : '');
  drawRows();
}

function drawRows() {
  const list = byID('points'), first = Math.max(Math.floor(list.scrollTop / ROW) - 5, 0);
  const last = Math.min(first + Math.ceil(list.clientHeight / ROW) + 10, found.length);
  list.setAttribute('aria-rowcount', found.length);
  const rows = [];
  for (let i = first; i < last; i++) {
    const p = found[i], tags = Object.entries(p.tags).map((tag) => tag.join('=')).join(' ');
    const cell = (text) => element('span', { role: 'cell', title: text }, text);
    const row = element('div', { role: 'row', 'aria-rowindex': i + 1 }, cell(p.name), cell(p.ns + ' ' + tags), cell(String(p.value)), cell(clockTime(p.time)));
    row.style.transform = 'translateY(' + i * ROW + 'px)';
    rows.push(row);
  }
  const body = element('div', { role: 'rowgroup' }, ...rows);
  body.style.height = found.length * ROW + 'px';
  list.replaceChildren(body);
}

// ---- live: one stream of events; while it is broken, the status is asked for

let stream = null;
let asking = null;

function connected(how) {
  byID('connection').textContent = how;
  byID('connection').className = '';
}

function lost(error) {
  byID('connection').textContent = 'The agent cannot be reached' + (error?.message ? ': ' + error.message : '') + '. Trying again…';
  byID('connection').className = 'lost';
}

function onStatus(status) {
  showStatus(status);
  drawAll();
  if (points) loadPoints().catch(() => {});
}

async function askStatus() {
  try {
    onStatus(await ask('me/status'));
    showWarnings(await ask('me/warnings'));
    await loadHistory().catch(() => {});
    connected('Asking every ' + STATUS_SECONDS + ' s');
  } catch (error) {
    lost(error);
  }
}

// Each start ends what an earlier one began; what that still waits for is ignored.
let starts = 0;
let streamed; // the namespace whose points the stream has

async function start() {
  close();
  const mine = starts;
  try {
    // All at once, so that little moves on the page after something is seen.
    const [access, status, warnings] = await Promise.all([ask('me/access'), ask('me/status'), ask('me/warnings'), loadHistory().catch(() => {})]);
    if (mine !== starts) return;
    mayControl = access.control;
    onStatus(status);
    showWarnings(warnings);
    open(status.namespaces[0]);
  } catch (error) {
    if (mine !== starts) return;
    lost(error);
    asking = setInterval(start, STATUS_SECONDS * 1000);
  }
}

function open(namespace) {
  const query = new URLSearchParams({ match: MATCH, rate: 1000, status: STATUS_SECONDS });
  if (namespace) query.set('ns', namespace); // the host's points go to each namespace
  streamed = namespace;
  stream = new EventSource('me/stream?' + query);
  stream.addEventListener('open', () => {
    if (asking) loadHistory().then(drawAll, () => {}); // what passed while the stream was broken
    clearInterval(asking);
    asking = null;
    connected('Live');
  });
  stream.addEventListener('status', (event) => {
    const status = JSON.parse(event.data);
    onStatus(status);
    if (streamed && !status.namespaces.includes(streamed)) start(); // the host was moved
  });
  stream.addEventListener('warnings', (event) => showWarnings(JSON.parse(event.data)));
  stream.addEventListener('point', (event) => {
    const p = JSON.parse(event.data);
    addPoint(p.name, p.tags, p.time, p.value);
  });
  stream.addEventListener('error', () => {
    if (asking) return;
    askStatus();
    // A stream that was refused is CLOSED: the browser tries others again by itself.
    asking = setInterval(() => (stream.readyState === EventSource.CLOSED ? start() : askStatus()), STATUS_SECONDS * 1000);
  });
}

function close() {
  starts++;
  stream?.close();
  stream = null;
  clearInterval(asking);
  asking = null;
}

byID('plots').append(...plots.map((plot) => plot.figure));
byID('unzoom').addEventListener('click', () => setView(null));
byID('points').addEventListener('scroll', drawRows);
byID('query').addEventListener('input', () => (points ? search() : loadPoints().catch(lost)));
byID('query').addEventListener('focus', () => points || loadPoints().catch(lost), { once: true });
byID('why').addEventListener('submit', explain);
byID('search').addEventListener('submit', (event) => event.preventDefault());
const listen = () => (document.hidden ? close() : start()); // nobody looks at a hidden tab
document.addEventListener('visibilitychange', listen);
listen();

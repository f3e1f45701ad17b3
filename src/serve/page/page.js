"use strict";
const $ = id => document.getElementById(id);
const SECONDS = 120;
const lines = text => text.split("\n").map(l => l.trim()).filter(l => l);
const path = model => model.split("/").map(encodeURIComponent).join("/");
const models = new Map();

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
function svg(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// ---- What is drawn of an answer. Offsets are code points, as the server counts them.

// Rows of a name, a score and a bar; bars span 0 to the greatest.
function bars(rows, most) {
  const top = most || Math.max(1e-9, ...rows.map(([, score]) => Math.abs(score)));
  const box = element("div", undefined, "bars");
  for (const [name, score] of rows) {
    const row = element("div", undefined, "bar");
    const track = element("div", undefined, "track"), fill = element("div", undefined, "fill");
    fill.style.width = Math.max(0, Math.min(100, 100 * score / top)) + "%";
    track.append(fill);
    row.append(element("span", name, "name"), track, element("span", score.toFixed(4), "number"));
    box.append(row);
  }
  return box;
}

const hues = new Map();
function hue_of(label) {
  if (!hues.has(label)) hues.set(label, hues.size * 137 % 360);
  return hues.get(label);
}

// The text with parts of it marked: [start, end, label, score], by rising start.
function marked(text, spans) {
  const points = Array.from(text), line = element("p");
  let at = 0;
  for (const [start, end, label, score] of spans) {
    if (start < at) continue;
    line.append(points.slice(at, start).join(""));
    const mark = element("mark", points.slice(start, end).join(""));
    mark.style.setProperty("--hue", hue_of(label));
    mark.title = `${label} ${score.toFixed(3)}`;
    mark.append(element("small", label));
    line.append(mark);
    at = end;
  }
  line.append(points.slice(at).join(""));
  return line;
}

function heat(texts, vectors) {
  const length = v => Math.sqrt(v.reduce((s, x) => s + x * x, 0)) || 1;
  const cosine = (a, b) => a.reduce((s, x, i) => s + x * b[i], 0) / (length(a) * length(b));
  const table = element("table", undefined, "heat"), head = element("tr");
  head.append(element("th", ""), ...texts.map((_, i) => element("th", String(i + 1))));
  table.append(head);
  texts.forEach((text, i) => {
    const row = element("tr"), name = element("th", `${i + 1}  ${text}`);
    name.title = text;
    row.append(name);
    texts.forEach((other, j) => {
      const value = cosine(vectors[i], vectors[j]);
      const cell = element("td", value.toFixed(2));
      const share = Math.max(0, Math.min(1, value));
      cell.style.background = `color-mix(in srgb, var(--ink) ${Math.round(share * 70)}%, var(--back))`;
      cell.title = `${text} / ${other}: ${value.toFixed(4)}`;
      row.append(cell);
    });
    table.append(row);
  });
  const box = element("div", undefined, "wide");
  box.append(table);
  return box;
}

function tokens_of(list) {
  const line = element("p");
  for (const token of list) {
    const shown = element("span", token.text, token.special ? "token special" : "token");
    shown.title = `id ${token.id}` +
      (token.start === null || token.start === undefined ? "" : `, ${token.start} to ${token.stop}`);
    line.append(shown, document.createTextNode("\u200b"));
  }
  return line;
}

// ---- What can be done with a model: fields, the request they make, what is drawn of its answer.

const TEXT = (label, value) => ({ label, value, required: true });
const EXTRA = (label, value) => ({ label, value, required: false });
const one = v => Array.isArray(v) ? v[0] : v;

const TOKENS = {
  name: "see its tokens", fields: [TEXT("Text", "Tokenizers disagree.")],
  send: (model, [text]) => [`/models/${path(model)}/tokenize`, { inputs: text }],
  draw: (_, answer) => {
    const list = answer[0];
    return [element("p", `${list.length} tokens`, "quiet"), tokens_of(list)];
  } };
const RERANK = {
  name: "rank documents", fields: [TEXT("Query", "What is a sieve?"),
    TEXT("Documents, a line each", "A sieve separates grains.\nParis is a city.")],
  send: (model, [query, documents]) => ["/v1/rerank",
    { model, query, documents: lines(documents), return_documents: true }],
  draw: (_, answer) => [bars(answer.results.map(r => [r.document.text, r.relevance_score]))] };
const ZERO_SHOT = {
  name: "sort under labels of yours", fields: [TEXT("Text", "The match went to penalties."),
    TEXT("Labels, a line each", "sport\npolitics\ncooking"),
    EXTRA("Template, {} for the label", "This example is {}.")],
  send: (model, [text, labels, template]) => [`/models/${path(model)}`, { inputs: text,
    parameters: { candidate_labels: lines(labels), ...(template ? { hypothesis_template: template } : {}) } }],
  // A list of labels with scores, or an object of two lists.
  draw: (_, answer) => [bars(Array.isArray(answer) ? answer.map(r => [r.label, r.score])
    : answer.labels.map((label, i) => [label, answer.scores[i]]), 1)] };
const ENTITIES = ([text], answer) => [marked(text, answer.results[0].entities.map(
  e => [e.start, e.end, e.entity_group || e.entity, e.score]))];
const SPARSE = {
  name: "weigh words", fields: [TEXT("Text", "A sieve separates grains.")],
  send: (model, [text]) => [`/models/${path(model)}/embed_sparse`, { inputs: text }],
  draw: (_, answer) => [bars(answer[0].map(w => [`word ${w.index}`, w.value])
    .sort((a, b) => b[1] - a[1]).slice(0, 25))] };

const TASKS = {
  "embed": [{
    name: "compare texts", fields: [TEXT("Texts, a line each",
      "A cat sleeps on the mat.\nThe kitten is asleep.\nShares fell on Monday.")],
    send: (model, [texts]) => ["/v1/embeddings", { model, input: lines(texts) }],
    draw: ([texts], answer) => {
      const vectors = answer.data.map(d => d.embedding);
      return [element("p", `${vectors[0].length} numbers a text; cosines:`, "quiet"),
        heat(lines(texts), vectors)];
    } }, TOKENS],
  "classify": [{
    name: "classify", fields: [TEXT("Text", "A fine film."), EXTRA("Second text (optional)", "")],
    send: (model, [text, pair]) => ["/v1/classify",
      { model, input: pair ? { text, text_pair: pair } : text }],
    draw: (_, answer) => [bars(answer.results[0].labels.map(l => [l.label, l.score]), 1)] },
    ZERO_SHOT, TOKENS],
  "rerank": [RERANK, TOKENS],
  "ner": [{
    name: "find entities", fields: [TEXT("Text", "Ada Lovelace lived in London.")],
    send: (model, [text]) => ["/v1/ner", { model, input: text }], draw: ENTITIES }, TOKENS],
  // Of a model that reads what to look for.
  "ner of labels": [{
    name: "find what you name", fields: [TEXT("Text", "Ada Lovelace lived in London."),
      TEXT("Labels, a line each", "person\nplace")],
    send: (model, [text, labels]) => ["/v1/ner", { model, input: text, labels: lines(labels) }],
    draw: ENTITIES }, TOKENS],
  "qa": [{
    name: "answer a question", fields: [TEXT("Question", "Where did she live?"),
      TEXT("Context", "Ada Lovelace lived in London.")],
    send: (model, [question, context]) => ["/v1/qa", { model, question, context, top_k: 3 }],
    draw: ([, context], answer) => {
      const found = answer.results[0].answers;
      return [bars(found.map(a => [a.answer || "(none)", a.score])),
        marked(context, found.slice(0, 1).map(a => [a.start, a.end, "answer", a.score]))];
    } }, TOKENS],
  "fill-mask": [{
    name: "fill masks", fields: [TEXT("Text with the model's mask token", "The goal of life is [MASK].")],
    send: (model, [text]) => [`/models/${path(model)}`, { inputs: text }],
    draw: (_, answer) => (Array.isArray(answer[0]) ? answer : [answer]).map(
      found => bars(found.map(m => [m.token_str, m.score]))) }, TOKENS],
  "embed-sparse": [SPARSE, TOKENS],
  "embed-multi": [RERANK, TOKENS],
};
TASKS["zero-shot"] = [ZERO_SHOT, TOKENS];
TASKS["embed-all"] = [...TASKS["embed"].slice(0, 1), SPARSE, RERANK, TOKENS];

const model_now = () => models.get($("model").value);
const modes_of = model => TASKS[model?.reads_labels ? `${model.task} of labels` : model?.task] || [];
const mode_now = () => modes_of(model_now())[Number($("mode").value)];
const values = () => [...$("fields").querySelectorAll("textarea")].map(area => area.value);

function choose_model() {
  $("mode").replaceChildren(...modes_of(model_now()).map((mode, i) => {
    const option = element("option", mode.name);
    option.value = i;
    return option;
  }));
  choose_mode();
}

function choose_mode() {
  const mode = mode_now();
  $("run").disabled = $("curl").disabled = !mode;
  $("fields").replaceChildren();
  clear();
  (mode ? mode.fields : []).forEach((field, i) => {
    const label = element("label", field.label), area = element("textarea");
    area.id = `field-${i}`;
    label.htmlFor = area.id;
    area.value = field.value;
    area.required = field.required;
    area.rows = Math.max(2, field.value.split("\n").length);
    $("fields").append(label, area);
  });
}

function clear() {
  $("drawn").replaceChildren();
  $("raw").hidden = true;
  $("took").textContent = "";
}

async function ask(method, url, body) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if ($("key").value) headers["Authorization"] = "Bearer " + $("key").value;
  return fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

// What a server says of a fault, in any of its dialects.
function words_of(shown, status) {
  const said = shown && (shown.error?.message || shown.error || shown.message || shown.detail);
  return typeof said === "string" ? said : `status ${status}`;
}

async function run(event) {
  event.preventDefault();
  const model = model_now(), mode = mode_now();
  if (!mode || $("run").disabled) return;
  const given = values(), [url, body] = mode.send(model.id, given);
  const from = performance.now();
  $("run").disabled = true;
  clear();
  try {
    const answer = await ask("POST", url, body);
    const text = await answer.text();
    $("took").textContent = `${(performance.now() - from).toFixed(1)} ms, POST ${url}`;
    let shown = null;
    try { shown = JSON.parse(text); } catch { /* shown as it is */ }
    const full = shown === null ? text : JSON.stringify(shown, null, 1);
    $("answer").textContent = full.length > 20000 ? full.slice(0, 20000) + " …" : full;
    $("raw").hidden = false;
    if (answer.ok) {
      $("drawn").replaceChildren(...mode.draw(given, shown));
    } else {
      $("drawn").replaceChildren(element("p", words_of(shown, answer.status), "error"));
    }
  } catch (error) {
    $("drawn").replaceChildren(element("p", String(error), "error"));
  }
  $("run").disabled = false;
}

// One word of a shell, whatever is in it.
const quoted = word => "'" + word.replaceAll("'", "'\\''") + "'";
function curl_line() {
  const [url, body] = mode_now().send(model_now().id, values());
  const key = $("key").value ? ' -H "Authorization: Bearer $TAMIS_API_KEY"' : "";
  return `curl ${quoted(location.origin + url)} -H 'Content-Type: application/json'${key} -d ${quoted(JSON.stringify(body))}`;
}
async function copy_curl() {
  const line = curl_line();
  try {
    await navigator.clipboard.writeText(line);
    $("took").textContent = "copied";
  } catch {
    // A page that is not from this machine may not write to the clipboard: to be copied by hand.
    $("answer").textContent = line;
    $("raw").hidden = false;
    $("raw").open = true;
    getSelection().selectAllChildren($("answer"));
    $("took").textContent = "selected below";
  }
}

// ---- Models and figures.

// Prometheus text as [name, labels, value].
function parse(text) {
  const rows = [];
  for (const line of text.split("\n")) {
    const found = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, key, value] of (found[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[key] = value.replace(/\\(.)/g, (_, c) => c === "n" ? "\n" : c);
    }
    rows.push([found[1], labels, found[3] === "+Inf" ? Infinity : Number(found[3])]);
  }
  return rows;
}
const sum = (rows, name, keep = () => true) => rows.reduce(
  (total, [n, labels, value]) => total + (n === name && keep(labels) ? value : 0), 0);

// The quantile of what came between two states of a histogram, within its bucket.
function quantile(before, after, share) {
  const buckets = rows => rows.filter(r => r[0] === "te_request_duration_bucket")
    .map(r => [r[1].le === "+Inf" ? Infinity : Number(r[1].le), r[2]]);
  const old = new Map(buckets(before)), now = buckets(after);
  const counts = now.map(([le, count]) => [le, count - (old.get(le) || 0)]);
  const all = counts.length ? counts[counts.length - 1][1] : 0;
  if (!all) return null;
  let low = 0, below = 0;
  for (const [le, count] of counts) {
    if (count >= share * all) {
      if (le === Infinity) return low;
      return low + (le - low) * (share * all - below) / Math.max(1, count - below);
    }
    low = le; below = count;
  }
  return low;
}

const series = { requests: [], tokens: [], median: [], p99: [] };
function push(name, value) {
  series[name].push(value);
  if (series[name].length > SECONDS) series[name].shift();
}

// The next of 1, 2, 5, 10, ... from a value on: where an axis ends.
function round_up(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find(step => step * power >= value * 0.9999) * power;
}
const number = v => v >= 1e6 ? +(v / 1e6).toFixed(1) + "M" : v >= 1e3 ? +(v / 1e3).toFixed(1) + "k"
  : String(+v.toPrecision(3));
const ms = v => v === null || v === undefined ? "–" : number(v * 1e3) + " ms";

// Lines over two minutes, with both axes. `spell` prints a value of the vertical one.
function draw(id, names, spell) {
  const plot = $(id), width = plot.clientWidth || 280, height = plot.clientHeight || 128;
  const left = 46, bottom = height - 18, top_edge = 8, right = width - 6;
  const most = Math.max(0, ...names.flatMap(n => series[n]).filter(v => v !== null));
  const top = most > 0 ? round_up(most) : 1;
  const x = second => left + (right - left) * second / (SECONDS - 1);
  const y = value => bottom - (bottom - top_edge) * value / top;
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  plot.replaceChildren();
  for (const share of [0, 0.5, 1]) {
    plot.append(svg("line", { class: "grid", x1: left, x2: right, y1: y(share * top), y2: y(share * top) }),
      svg("text", { x: left - 5, y: y(share * top) + 4, "text-anchor": "end" }, spell(share * top)));
  }
  for (const [second, text, anchor] of [[0, "−2 min", "start"], [(SECONDS - 1) / 2, "−1 min", "middle"],
    [SECONDS - 1, "now", "end"]]) {
    plot.append(svg("text", { x: x(second), y: height - 4, "text-anchor": anchor }, text));
  }
  names.forEach((name, i) => {
    const offset = SECONDS - series[name].length;
    plot.append(svg("polyline", { class: i ? "second" : "first", points: series[name]
      .map((v, k) => v === null ? "" : `${x(offset + k).toFixed(1)},${y(v).toFixed(1)}`)
      .filter(p => p).join(" ") }));
  });
}
function draw_all() {
  draw("requests", ["requests"], number);
  draw("tokens", ["tokens"], number);
  draw("latency", ["median", "p99"], ms);
}

function say_health(text, className) {
  $("health").textContent = text;
  $("health").className = "pill " + className;
}

let last = null;
async function measure() {
  try {
    const rows = parse(await (await ask("GET", "/metrics")).text());
    const at = performance.now();
    for (const model of models.values()) {
      const own = labels => labels.model === model.id;
      model.answered.textContent = sum(rows, "nv_inference_request_success", own);
      model.failed.textContent = sum(rows, "nv_inference_request_failure", own);
    }
    if (last) {
      const seconds = (at - last.at) / 1e3;
      const rate = name => Math.max(0, sum(rows, name) - sum(last.rows, name)) / seconds;
      push("requests", rate("te_request_count"));
      push("tokens", rate("tamis_tokens_total"));
      push("median", quantile(last.rows, rows, 0.5));
      push("p99", quantile(last.rows, rows, 0.99));
      $("requests-now").textContent = number(series.requests.at(-1));
      $("tokens-now").textContent = number(series.tokens.at(-1));
      $("latency-now").textContent = ms(series.median.at(-1)) + ", " + ms(series.p99.at(-1));
    }
    draw_all();
    last = { at, rows };
    if ((await ask("GET", "/health")).ok) say_health("ready", "good");
    else say_health("not ready", "bad");
  } catch {
    say_health("no answer", "bad");
    last = null;
  }
}

async function list() {
  let answer;
  try { answer = await ask("GET", "/v1/models"); } catch { return; }
  $("key-row").hidden = answer.status !== 401 && !$("key").value;
  if (!answer.ok) return;
  const found = (await answer.json()).data;
  const state = m => [m.id, m.task, m.precision, m.max_model_len].join("\t");
  if (found.map(state).join("\n") === [...models.values()].map(state).join("\n")) return;
  const chosen = $("model").value;
  models.clear();
  $("models").replaceChildren();
  $("model").replaceChildren();
  for (const model of found) {
    const row = element("tr");
    model.answered = element("td", "", "number");
    model.failed = element("td", "", "number");
    row.append(element("td", model.id), element("td", model.task), element("td", model.precision),
      element("td", model.max_model_len, "number"), model.answered, model.failed);
    $("models").append(row);
    models.set(model.id, model);
    if (TASKS[model.task]) $("model").append(element("option", model.id));
  }
  if (models.has(chosen)) $("model").value = chosen;
  choose_model();
}

$("model").addEventListener("change", choose_model);
$("mode").addEventListener("change", choose_mode);
$("try").addEventListener("submit", run);
$("try").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    $("try").requestSubmit();
  }
});
$("curl").addEventListener("click", copy_curl);
$("key").addEventListener("change", list);
new ResizeObserver(draw_all).observe($("requests"));
list();
measure();
setInterval(measure, 1000);
setInterval(list, 5000);

"use strict";
// Shows what is in #data. Everything of the run is put into the page as text, never as markup.

const page = JSON.parse(document.getElementById("data").textContent);
const ROW = 28, HEAD = 34; // pixels
const WORST = ["bug", "failed", "refused", "invalid", "interrupted", "flaky", "skipped", "passed"];

// --- elements ---

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== undefined && child !== ""));
  return node;
}
const make = (tag, attributes = {}, ...children) => put(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) =>
  put(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const seconds = (number) => (number < 1 ? `${Math.round(number * 1000)} ms` : `${number.toFixed(2)} s`);

// --- the list ---

function item(scenario) {
  const summary = make(
    "summary", {},
    make("span", { class: "status" }, scenario.status.toUpperCase()),
    make("h2", {}, scenario.id),
    scenario.name && make("span", { class: "name" }, scenario.name),
    scenario.seconds !== undefined ? make("span", { class: "seconds" }, seconds(scenario.seconds)) : "",
    scenario.attempts ? make("span", { class: "seconds" }, `attempt ${scenario.attempts}`) : "",
    ...scenario.tags.map((tag) => make("span", { class: "tag" }, tag)),
  );
  const details = make("details", { class: `scenario ${scenario.status}` }, summary);
  let filled = false;
  details.addEventListener("toggle", () => {
    if (details.open && !filled) details.append(body(scenario));
    if (details.open) reveal(details);
    filled ||= details.open;
  });
  return details;
}

function body(scenario) {
  const found = make("div", { class: "body" });
  if (scenario.why) {
    found.append(make("pre", { class: "why", tabindex: 0, role: "region", "aria-label": `why: ${scenario.id}` }, scenario.why));
  }
  if (scenario.rows) found.append(picture(scenario));
  return found;
}

// --- a scenario's diagram, and what lies beside it ---

function picture(scenario) {
  const beside = make("div", { class: "beside" });
  const drawing = drawn(scenario);
  const buttons = scenario.rows.map((row) => button(scenario, row));
  const list = make("ol", { class: "rows", style: `padding-top: ${HEAD}px` }, ...buttons.map((one) => make("li", {}, one)));
  let chosen;

  function choose(number) {
    if (chosen !== undefined) mark(chosen, false);
    mark((chosen = number), true);
    beside.replaceChildren(...explained(scenario, scenario.rows[number]));
    reveal(beside);
  }
  function mark(number, is) {
    buttons[number].setAttribute("aria-pressed", is);
    buttons[number].tabIndex = is ? 0 : -1;
    drawing.rows[number].classList.toggle("chosen", is);
  }
  buttons.forEach((one, number) => one.addEventListener("click", () => choose(number)));
  drawing.rows.forEach((one, number) => one.addEventListener("click", () => (choose(number), buttons[number].focus())));
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const number = Math.max(0, Math.min(buttons.length - 1, chosen + by));
    choose(number);
    buttons[number].focus();
  });
  const wanted = [(row) => row.state === "failed", (row) => row.step.at, () => true];
  choose(wanted.map((one) => scenario.rows.findIndex(one)).find((number) => number >= 0));
  const label = `diagram: ${scenario.id}`;
  const diagram = make("div", { class: "diagram", tabindex: 0, role: "region", "aria-label": label }, drawing.root, list);
  return make("div", { class: "columns" }, diagram, beside);
}

// Scrolls the file, and not the page.
function reveal(node) {
  const mark = node.querySelector("mark"), text = mark?.closest(".text");
  if (text) text.scrollTop = mark.offsetTop - text.offsetTop - text.clientHeight / 2;
}

function said(scenario, row) {
  const name = (number) => scenario.lines[number][0];
  if (row.by === undefined) return row.note;
  if (row.to === undefined) return `${[row.by, ...(row.also ?? [])].map(name).join(", ")} ${row.note ?? ""}`;
  return `${name(row.by)} → ${name(row.to)}: ${row.words ?? row.kind}${row.note ? ` (${row.note})` : ""}`;
}

function button(scenario, row) {
  const steps = [row.step?.number, row.taken?.number].filter(Boolean).join(" → ");
  const text = said(scenario, row);
  return make(
    "button", { type: "button", "aria-pressed": false, tabindex: -1, title: text },
    make("time", {}, row.step.seconds.toFixed(3)),
    make("span", { class: row.state }, text),
    make("span", { class: "number" }, steps),
  );
}

function explained(scenario, row) {
  const found = [make("p", { class: `said mono ${row.state ?? ""}` }, said(scenario, row))];
  for (const [step, does] of [[row.step, ""], [row.taken, "taken by "]]) {
    if (step?.number) found.push(make("h3", {}, `${does}${step.who}, ${step.number}: ${step.label}`));
  }
  if (row.data !== undefined) {
    const dump = hexdump(row.data, row.size);
    found.push(make("pre", { class: "bytes", tabindex: 0, role: "region", "aria-label": `bytes: ${scenario.id}` }, dump));
  }
  const at = row.step.at ?? row.taken?.at;
  if (at) found.push(...source(scenario, at[0], row.step.at, row.taken?.at));
  return found;
}

function source(scenario, number, doing, taking) {
  const { path, text } = page.files[number];
  const lines = text.replace(/\n$/, "").split("\n").map((line, index) => {
    const kind = part(doing, number, index + 1) ? "chosen" : "taken";
    const [start, end] = part(doing, number, index + 1) ?? part(taking, number, index + 1) ?? [0, 0];
    const characters = Array.from(line);
    const [before, within, behind] = [characters.slice(0, start), characters.slice(start, end), characters.slice(end)];
    const marked = within.length ? make("mark", { class: kind }, within.join("")) : "";
    return make("div", { "data-number": index + 1 }, before.join(""), marked, behind.join(""));
  });
  const label = `${path}, for ${scenario.id}`;
  return [make("h3", {}, path), make("pre", { class: "text", tabindex: 0, role: "region", "aria-label": label }, ...lines)];
}

// From which character to which a line belongs to a step.
function part(at, number, line) {
  if (!at || at[0] !== number || line < at[1] || line > at[3]) return undefined;
  const start = line === at[1] ? at[2] - 1 : 0;
  return [start, line === at[3] ? at[4] - 1 : Infinity];
}

function hexdump(base64, size) {
  const bytes = Array.from(atob(base64), (character) => character.charCodeAt(0));
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.slice(at, at + 16);
    const hex = row.map((byte, k) => (k === 8 ? " " : "") + byte.toString(16).padStart(2, "0")).join(" ");
    const shown = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(48)}  |${shown}|`);
  }
  if (size) lines.push(`... ${(size - bytes.length).toLocaleString("en")} more bytes`);
  return lines.join("\n") || "no bytes";
}

// --- the drawing ---

function drawn(scenario) {
  const places = columns(scenario);
  const width = places.at(-1) + 70, height = HEAD + scenario.rows.length * ROW;
  const middle = (number) => HEAD + number * ROW + ROW / 2;
  const rows = scenario.rows.map((row, number) => arrow(row, places, middle(number), width));
  const ends = places.map(() => height);
  scenario.rows.forEach((row, number) => {
    if (row.kind === "end") for (const line of [row.by, ...(row.also ?? [])]) ends[line] = middle(number);
  });
  const back = places.flatMap((x, number) => [
    draw("line", { class: "line", x1: x, x2: x, y1: HEAD - 8, y2: ends[number] }),
    draw("text", { class: "who", x, y: 18, "text-anchor": "middle" },
      shortened(scenario.lines[number][0], 16), draw("title", {}, scenario.lines[number].join(", "))),
  ]);
  const waits = scenario.waits.map(([line, first, last, long, failed]) =>
    draw("rect", { class: failed ? "wait failed" : "wait", x: places[line] - 4, width: 8, rx: 2,
      y: middle(first) + 5, height: Math.max(4, middle(last) - middle(first) - 10) },
      draw("title", {}, `${scenario.lines[line][0]} waits ${seconds(long)}`)));
  const bands = rows.map((row) => row.band), marks = rows.map((row) => row.marks);
  const root = draw("svg", { width, height, "aria-hidden": "true" });
  const groups = rows.map((row) => draw("g", { class: row.state }, row.band));
  root.append(...groups, ...back, ...waits, ...marks);
  marks.forEach((one, number) => one.addEventListener("click", () => bands[number].parentNode.dispatchEvent(new Event("click"))));
  return { root, rows: groups };
}

function columns(scenario) {
  const gaps = scenario.lines.slice(1).map(() => 100);
  const most = Math.max(150, 420 / gaps.length);
  for (const row of scenario.rows) {
    if (row.by === undefined || row.to === undefined || row.by === row.to) continue;
    const [left, right] = [Math.min(row.by, row.to), Math.max(row.by, row.to)];
    const share = Math.min(most, ((row.words ?? "").length * 7.3 + 50) / (right - left));
    for (let gap = left; gap < right; gap++) gaps[gap] = Math.max(gaps[gap], share);
  }
  return gaps.reduce((places, gap) => [...places, places.at(-1) + gap], [70]);
}

function arrow(row, places, y, width) {
  const band = draw("rect", { class: "band", x: 0, y: y - ROW / 2, width, height: ROW });
  const marks = draw("g", { class: row.state });
  const x = places[row.by], to = places[row.to];
  if (row.kind === "end") {
    for (const line of [row.by, ...(row.also ?? [])]) {
      marks.append(draw("line", { class: "end", x1: places[line] - 7, x2: places[line] + 7, y1: y, y2: y }));
    }
  } else if (row.kind === "cut" || x === undefined) {
    marks.append(draw("text", { x: width / 2, y: y + 4, "text-anchor": "middle" }, "⋯"));
  } else if (to === undefined || to === x) {
    marks.append(row.state === "failed" ? cross(x, y) : draw("circle", { class: "event", cx: x, cy: y, r: 4 }));
  } else {
    marks.append(...shaft(row, x, to, y));
  }
  return { band, marks, state: row.state };
}

function shaft(row, x, to, y) {
  const side = Math.sign(to - x), tip = to - side * 5;
  const words = shortened(row.words ?? "", Math.floor((Math.abs(to - x) - 30) / 7.3));
  const line = draw("line", { class: `arrow ${row.kind}`, x1: x, x2: tip, y1: y + 6, y2: y + 6 });
  const head = row.state === "failed" || row.state === "refused"
    ? cross(tip, y + 6)
    : draw("path", { class: "tip", d: `M${to} ${y + 6} l${-side * 9} -4 v8 z` });
  return [line, head, draw("text", { class: "label", x: (x + to) / 2, y: y + 1, "text-anchor": "middle" }, words)];
}

const cross = (x, y) => draw("path", { class: "arrow", d: `M${x - 5} ${y - 5} l10 10 m0 -10 l-10 10`, "stroke-width": 2.4 });
const shortened = (text, most) => (text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1))}…`);

// --- what is shown of the list ---

page.scenarios.sort((one, other) =>
  WORST.indexOf(one.status) - WORST.indexOf(other.status) || one.id.localeCompare(other.id, "en"));
const items = page.scenarios.map(item);
const counts = new Map(WORST.map((status) => [status, page.scenarios.filter((one) => one.status === status).length]));
const boxes = new Map();

function fill() {
  document.title = `sockrun: ${page.summary}`;
  document.getElementById("summary").textContent = page.summary;
  document.getElementById("about").textContent = page.about;
  for (const [status, count] of counts) {
    if (!count) continue;
    const box = make("input", { type: "checkbox", checked: "" });
    boxes.set(status, box);
    document.getElementById("statuses").append(make("label", {}, box, ` ${count} ${status}`));
  }
  document.getElementById("scenarios").append(...items);
  document.getElementById("filter").addEventListener("input", show);
  document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.tagName === "INPUT") return;
    event.preventDefault();
    document.getElementById("words").focus();
  });
  const first = page.scenarios.findIndex((one) => !["passed", "skipped"].includes(one.status));
  if (first >= 0) items[first].open = true;
  else if (items.length === 1) items[0].open = true;
  show();
}

function show() {
  const words = document.getElementById("words").value.toLowerCase().split(/\s+/);
  let shown = 0;
  page.scenarios.forEach((one, number) => {
    const text = [one.id, one.name, ...one.tags, one.why ?? ""].join("\n").toLowerCase();
    const fits = boxes.get(one.status).checked && words.every((word) => text.includes(word));
    items[number].hidden = !fits;
    shown += fits;
  });
  document.getElementById("shown").textContent = shown === items.length ? "" : `${shown} of ${items.length} shown`;
}

fill();

// Elements.  Text from outside enters through textContent only; nothing is parsed as HTML.

export const at = (id) => document.getElementById(id);

/** An element with a class and children; strings become text nodes. */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setValue(id, text, unit = "") {
  const parts = unit ? [text, make("small", "", ` ${unit}`)] : [text];
  at(id).replaceChildren(...parts);
}

/** A line over the last minute from zero; a second without a value breaks it, and a rare peak is cut off. */
export function drawSpark(svg, values) {
  const key = values.join();
  if (svg.dataset.key === key) return;
  svg.dataset.key = key;
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const top = Math.max(1, 1.5 * (sorted[Math.floor(0.9 * sorted.length)] ?? 0));
  const width = values.length - 1;
  const y = (value) => (100 - 96 * Math.min(1, value / top)).toFixed(1);
  let line = "";
  let area = "";
  let start = null;
  values.forEach((value, x) => {
    if (value === null) {
      if (start !== null) area += `L${x - 1} 100L${start} 100Z`;
      start = null;
      return;
    }
    line += `${start === null ? "M" : "L"}${x} ${y(value)}`;
    area += start === null ? `M${x} ${y(value)}` : `L${x} ${y(value)}`;
    start ??= x;
  });
  if (start !== null) area += `L${width} 100L${start} 100Z`;
  svg.setAttribute("viewBox", `0 0 ${width} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren(path(area, "area"), path(line, ""));
}

export function path(commands, className) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
  element.setAttribute("d", commands);
  if (className) element.setAttribute("class", className);
  return element;
}

// --- what the reader has opened ---------------------------------------------------------------------------------------

/** What the reader has opened stays open while its surroundings are drawn anew. */
export const opened = new Set();

/** Let a button open and close what belongs to `key`; `changed` draws it anew. */
export function toggles(button, key, changed) {
  button.type = "button";
  button.dataset.focusKey = key;
  button.setAttribute("aria-expanded", opened.has(key) ? "true" : "false");
  button.addEventListener("click", () => {
    if (!opened.delete(key)) opened.add(key);
    if (opened.size > 200) opened.delete(opened.values().next().value);
    changed();
  });
}

/** Replace what stands in an element; whatever had the focus has it again. */
export function replaceIn(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.focusKey : undefined;
  element.replaceChildren(...children.filter((child) => child !== null && child !== ""));
  if (focused) element.querySelector(`[data-focus-key="${CSS.escape(focused)}"]`)?.focus();
}

const shown = new Map();

/** Draw a part of the page only where what it shows has changed. */
export function drawOnce(id, data, draw) {
  const key = JSON.stringify(data);
  if (shown.get(id) === key) return;
  shown.set(id, key);
  draw();
}

/** Have a part drawn anew with the next board, whatever it shows. */
export const forget = (id) => shown.delete(id);

/** A table with its caption for those who do not see it; cells are strings, elements, or [class, content]. */
export function table(className, caption, headings, rows) {
  const cell = (tag, content) => (Array.isArray(content) ? make(tag, content[0], content[1]) : make(tag, "", content));
  const head = make("tr", "", ...headings.map((heading) => cell("th", heading)));
  for (const heading of head.children) heading.scope = "col";
  const body = rows.map((cells) => make("tr", "", ...cells.map((content) => cell("td", content))));
  return make("table", className, make("caption", "unseen", caption), make("thead", "", head), make("tbody", "", ...body));
}

// --- time ------------------------------------------------------------------------------------------------------------

let serverAheadMs = 0;

export function setServerClock(nowMs) {
  serverAheadMs = nowMs - Date.now();
}

export const serverNowMs = () => Date.now() + serverAheadMs;

export function age(atMs) {
  const element = make("time", "");
  if (atMs) {
    element.dataset.atMs = atMs;
    element.title = new Date(atMs).toLocaleString();
    setText(element, ageWords(atMs));
  }
  return element;
}

function ageWords(atMs) {
  const seconds = Math.max(0, Math.round((serverNowMs() - atMs) / 1000));
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} days ago`;
}

export function renewAges() {
  for (const element of document.querySelectorAll("time[data-at-ms]")) setText(element, ageWords(Number(element.dataset.atMs)));
}

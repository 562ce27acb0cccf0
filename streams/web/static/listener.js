// One listener's way: event, session, list, and what was played after it.

import { age, at, drawOnce, forget, make, opened, replaceIn, serverNowMs, setText, toggles } from "./dom.js";
import { drawItem, journeyLink, journeyOf } from "./now.js";
import { EVENTS, LACKING, MODES, OUTCOMES, dialWords, milliseconds, millisecondsUnit, whole, wordPair, words } from "./words.js";

const POLL_MS = 1_000;
const PATIENCE_MS = 10_000;
const FIRST_TITLES = 3;
const MOST_AT_HAND = 6;
const LABELS = { event: "event", session: "session after it", list: "list that answered it", after: "played after the list" };

let user = null;
let asking = false;
let journey = null;

/** Show a listener, or ask for one. */
export function showListener(chosen) {
  if (chosen === user) return;
  user = chosen;
  journey = null;
  at("listener-id").value = user ?? "";
  replaceIn(at("journey"));
  at("journey-head").hidden = true;
  setText(at("journey-note"), user === null ? "" : "reading the last hour of the topics…");
  ask();
}

/** The listeners on the first page are at hand. */
export function drawAtHand({ sessions }) {
  const users = sessions.slice(0, MOST_AT_HAND).map((session) => session.user);
  drawOnce("at-hand", users, () => {
    replaceIn(at("at-hand"), ...users.flatMap((each, place) => [place ? ", " : "listening now: ", journeyLink(each)]));
  });
}

at("listener-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = at("listener-id").value;
  if (chosen) location.hash = journeyOf(chosen);
});

/** Ask for what has come since; called again and again while the view is open. */
export async function ask() {
  if (asking || user === null) return;
  const asked = user;
  asking = true;
  try {
    const response = await fetch(`/journey.json?user=${encodeURIComponent(asked)}`);
    const text = await response.text();
    if (asked !== user) return;
    if (response.ok) {
      journey = JSON.parse(text);
      draw();
    } else setText(at("journey-note"), text.trim());
  } catch {
    if (asked === user) setText(at("journey-note"), "the server does not answer; trying again…");
  } finally {
    asking = false;
    if (asked !== user) ask();
  }
}

export const pollMs = POLL_MS;

function draw() {
  // What is waited for is given up some seconds later, though nothing has come.
  drawOnce("journey", [journey, journey.rows.filter((row) => isFresh(row.at_ms)).length], () => {
    const redraw = () => {
      forget("journey");
      draw();
    };
    setText(at("journey-note"), note());
    at("journey-head").hidden = !journey.rows.length;
    replaceIn(at("journey"), ...journey.rows.map((row) => drawRow(row, redraw)));
  });
}

function note() {
  const { rows, rows_left_out: leftOut, read_back_to_ms: back, market, discovery, blocked } = journey;
  const since = back === null ? "all that is kept" : `since ${new Date(back).toLocaleTimeString()}`;
  const parts = [rows.length ? `${whole(rows.length + leftOut)} messages, ${since}` : `nothing of this listener, ${since}`];
  if (leftOut) parts.push(`the newest ${rows.length} are shown`);
  if (market !== null) parts.push(`market ${market}`);
  if (discovery !== null) parts.push(`dial at ${dialWords(discovery)}`);
  if (blocked) parts.push(`${whole(blocked)} blocked`);
  return parts.join("; ");
}

function drawRow(row, redraw) {
  const line = make("li", "row", drawEvent(row), drawSession(row), drawList(row, redraw), drawHeard(row));
  line.dataset.event = row.id;
  return line;
}

/** One of the four stages; an empty one takes no room where they stand below each other. */
function stage(name, ...children) {
  const there = children.filter((child) => child !== null);
  return make("div", `stage of-${name}${there.length ? "" : " void"}`, make("span", "label", LABELS[name]), ...there);
}

function drawEvent(row) {
  const [verb, mood] = row.type === "request" ? [`asked: ${words(MODES, row.mode)}`, ""] : wordPair(EVENTS, row.type);
  const where = make("span", "place", row.places.join(", "));
  // Who publishes an event again does no harm: it is applied once.
  const times = row.places.length > 1 ? make("span", "warn", `published ${row.places.length} times`) : null;
  const what = make("span", "title", make("span", `what ${mood}`, row.type === "message" ? "a message" : verb), " ", row.title);
  return stage("event", what, make("span", "by", row.artist), make("span", "when", age(row.at_ms)), times, where);
}

function drawSession({ session, refused, type, at_ms: atMs }) {
  const letters = refused.map((letter) => {
    const link = make("a", "warn", `refused: ${words({}, letter.reason)}`);
    link.href = `#refused/${encodeURIComponent(letter.place)}`;
    return make("p", "", link, make("span", "why", ` ${letter.message}`));
  });
  if (session === null) {
    const isNone = type === "request" || refused.length;
    return stage("session", ...letters, isNone ? null : make("span", "faint", isFresh(atMs) ? "waiting…" : "none came of it"));
  }
  const tracks = session.tracks === 1 ? "1 track" : `${session.tracks} tracks`;
  const took = make("span", "ms", `+${milliseconds(session.published_ms - atMs)} ${millisecondsUnit(session.published_ms - atMs)}`);
  const outcome = session.outcome === null ? null : make("span", session.outcome.startsWith("skipped") ? "warn" : "", words(OUTCOMES, session.outcome));
  const id = make("span", "place", session.session_id === null ? "outside any session" : session.session_id);
  return stage("session", make("span", "", `${tracks} after event ${session.revision} `, took), outcome, id, ...letters);
}

function drawList(row, redraw) {
  const made = row.list;
  if (made === null) {
    if (row.answered_with !== null) return stage("list", make("span", "faint", "answered together with a newer event"));
    const waits = row.session !== null || row.type === "request";
    return stage("list", waits && !row.refused.length ? make("span", "faint", isFresh(row.at_ms) ? "waiting…" : "none: its turn came too late") : null);
  }
  const { line } = made;
  const took = line.latency_ms === null ? null : make("span", "ms", ` +${milliseconds(line.latency_ms)} ${millisecondsUnit(line.latency_ms)}`);
  const key = `list ${made.list_id}`;
  const button = make("button", "more", `${line.length} tracks`);
  toggles(button, key, redraw);
  const titles = line.items.slice(0, FIRST_TITLES).map((item) => item.title).join(", ");
  const parts = [make("span", "", button, took), opened.has(key) ? null : make("span", "titles", titles)];
  for (const code of line.degraded) parts.push(make("span", "lacking", words(LACKING, code)));
  if (!opened.has(key)) return stage("list", ...parts);
  const about = [`ranking ${made.model_version}`, `index ${made.index_version}`];
  if (made.variant !== null) about.push(`variant ${made.variant}`);
  if (made.trace_id !== null) about.push(`trace ${made.trace_id}`);
  const items = make("ol", "items", ...line.items.map((item, index) => drawItem(item, index, made.list_id, redraw)));
  return stage("list", ...parts, items, make("span", "place", made.list_id), make("span", "place", about.join("; ")));
}

function drawHeard({ heard, list }) {
  if (!heard.length) return stage("after", list === null ? null : make("span", "faint", "nothing yet"));
  return stage(
    "after",
    ...heard.map(({ title, artist, outcome, rank }) => {
      const place = rank === null ? make("span", "faint", "not in the list") : make("span", "hit", `no. ${rank} of the list`);
      const how = make("span", outcome.startsWith("skipped") ? "warn" : "faint", words(OUTCOMES, outcome));
      return make("p", "", make("span", "title", title), make("span", "by", artist), place, ", ", how);
    }),
  );
}

const isFresh = (atMs) => atMs !== null && serverNowMs() - atMs < PATIENCE_MS;

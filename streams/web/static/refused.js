// Dead letters: how many of which kind, what each holds, and back onto their topics on an operator's word.

import { age, at, drawOnce, forget, make, opened, replaceIn, setText, table, toggles } from "./dom.js";
import { journeyLink } from "./now.js";
import { whole, words } from "./words.js";

const AGAIN_MS = 5_000;

let listing = null;
let letter = null;
let asking = false;
let newestTotal = null; // Of letters since the server began to follow, as the board says.
let seenTotal = null; // What it said when the topics were last looked at.
let lastAskedMs = 0;
let mayReplay = false;
let chosen = null; // What is about to be replayed: {body, what, count, topic}.
let token = "";
let problem = "";

const short = (topic) => topic.replace(/^musicrec\./, "");

/** Show the letters, and one of them whole. */
export function showRefused(place) {
  ask();
  if (place !== null && letter?.place !== place) askForLetter(place);
}

for (const id of ["letters-topic", "letters-since"]) at(id).addEventListener("change", () => ask());
at("letters-again").addEventListener("click", () => ask());

async function fetched(address, options) {
  const response = await fetch(address, options);
  const text = await response.text();
  if (!response.ok) throw new Error(text.trim());
  return JSON.parse(text);
}

async function ask() {
  if (asking) return;
  asking = true;
  lastAskedMs = Date.now();
  seenTotal = newestTotal;
  setText(at("letters-note"), "looking…");
  const asked = new URLSearchParams();
  if (at("letters-topic").value) asked.append("topic", at("letters-topic").value);
  if (at("letters-since").value) asked.append("since", at("letters-since").value);
  try {
    listing = await fetched(`/dead-letters.json?${asked}`);
    drawListing();
  } catch (error) {
    setText(at("letters-note"), error.message);
  } finally {
    asking = false;
  }
}

async function askForLetter(place) {
  try {
    letter = await fetched(`/dead-letter.json?place=${encodeURIComponent(place)}`);
  } catch (error) {
    setText(at("letters-note"), error.message);
    return;
  }
  opened.add(`letter ${letter.place}`);
  drawListing();
}

/** Take what the board says: whether new letters came, and how far a replay is. */
export function drawRefusedView(board, isOpen) {
  mayReplay = board.may_replay;
  drawReplay(board.replay);
  newestTotal = board.dead_letters.total;
  if (isOpen && newestTotal !== seenTotal && Date.now() - lastAskedMs > AGAIN_MS) ask();
}

function drawListing() {
  if (listing === null) return;
  const { total, counts, letters, left_out: leftOut } = listing;
  const more = leftOut ? `; ${whole(leftOut)} older messages were not looked at` : "";
  setText(at("letters-note"), total ? `${whole(total)} stand here now, the newest ${letters.length} below${more}` : `none stand here${more}`);
  const rows = counts.map((count) => [
    words({}, count.reason),
    ["name", short(count.topic)],
    ["number", whole(count.count)],
    ["remedy", `replayed, it is ${count.remedy}`],
    chooser({ topic: [count.topic], reason: [count.reason] }, `${leftOut ? "all" : `all ${whole(count.count)}`} refused as ${words({}, count.reason)}`, count.topic, count.reason),
  ]);
  replaceIn(at("letters-counts"), counts.length ? table("counts-table", "Dead letters by kind", ["reason", "topic", "letters", "", ""], rows) : null);
  const shown = letter !== null && !letters.some((each) => each.place === letter.place) ? [letter, ...letters] : letters;
  replaceIn(at("letters"), ...shown.map(drawLetter));
}

/** A button that chooses letters to replay, where they can be chosen that way. */
function chooser(body, what, topic, reason) {
  if (!mayReplay || reason === "unreadable") return "";
  const since = body.place ? "" : at("letters-since").value;
  const button = make("button", "act", "replay");
  button.type = "button";
  button.addEventListener("click", () => {
    chosen = { body: since ? { ...body, since: [since] } : body, what, topic };
    problem = "";
    forget("replay");
    drawReplay(replaying);
    at("replay").scrollIntoView({ block: "nearest" });
  });
  return button;
}

function drawLetter(each) {
  const key = `letter ${each.place}`;
  const open = opened.has(key);
  const button = make("button", "more", words({}, each.reason));
  toggles(button, key, () => (open || letter?.place === each.place ? drawListing() : askForLetter(each.place)));
  const whose = each.listener === null ? null : make("span", "", " of ", journeyLink(each.listener));
  const head = make("p", "head", button, whose, make("span", "when", age(each.at_ms)));
  const line = make("li", "letter", head, make("p", "why", each.message), make("span", "place", each.original ?? each.place));
  line.dataset.place = each.place;
  if (open && letter?.place === each.place) line.append(drawWhole(letter));
  return line;
}

function drawWhole(each) {
  const rows = [
    ["letter", each.place],
    ["by", each.app],
    ["replayed, it is", each.remedy],
    ["key", each.key ?? "none"],
    ...each.headers.map(([name, value]) => [name, value]),
  ];
  const facts = make("dl", "facts", ...rows.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
  const left = each.value === null ? "" : each.value_bytes > each.value.length ? `, the first ${whole(each.value.length)}` : "";
  const size = make("p", "note", each.value === null ? "no value" : `value, ${whole(each.value_bytes)} bytes${left}`);
  const value = each.value === null ? null : make("pre", "value-bytes", each.value);
  const command = `musicrec dlq replay '${each.place}'`;
  const act = mayReplay ? chooser({ place: [each.place] }, "this letter", each.topic, "") : make("p", "note", "replay it by ", make("code", "", command));
  return make("div", "whole", facts, size, value, act);
}

// --- the replay --------------------------------------------------------------------------------------------------------

let replaying = null;

function drawReplay(replay) {
  replaying = replay;
  drawOnce("replay", [replay, chosen?.what, problem, mayReplay], () => {
    at("replay").hidden = chosen === null && replay === null;
    const isTold = replay !== null && (chosen === null || replay.running);
    replaceIn(
      at("replay"),
      chosen === null ? null : drawQuestion(),
      problem ? make("p", "note warn", problem) : null,
      isTold ? drawProgress(replay) : null,
    );
  });
  setText(at("replay-off"), mayReplay ? "" : "This page only shows: replaying from it takes MUSICREC_WEB__OPERATOR_TOKEN; `musicrec dlq replay` does it too.");
}

function drawQuestion() {
  const field = make("input", "token");
  Object.assign(field, { type: "password", value: token, placeholder: "operator token", autocomplete: "off" });
  field.setAttribute("aria-label", "operator token");
  field.dataset.focusKey = "token";
  field.addEventListener("input", () => (token = field.value));
  const button = make("button", "act strong", "Publish again");
  const away = make("button", "act", "Not now");
  away.type = "button";
  away.addEventListener("click", () => {
    chosen = null;
    problem = "";
    drawReplay(replaying);
  });
  const question = make("form", "question", make("p", "", `Publish ${chosen.what} again on ${chosen.topic}?`), field, button, away);
  question.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  return question;
}

function drawProgress(replay) {
  const skipped = Object.entries(replay.skipped).map(([why, count]) => `, skipped ${whole(count)}: ${words({}, why)}`).join("");
  const of = replay.found === null ? "counting…" : `${whole(replay.replayed)} of ${whole(replay.found)} published again${skipped}`;
  const how = replay.running ? "" : replay.stopped ? "; stopped" : replay.error === null ? "; done" : `; ended: ${replay.error}`;
  const line = make("p", replay.error === null ? "progress" : "progress warn", of + how);
  if (!replay.running) return line;
  const stop = make("button", "act", "Stop");
  stop.type = "button";
  stop.addEventListener("click", () => act("/replay/stop", {}));
  return make("div", "", line, stop);
}

async function start() {
  if (await act("/replay", chosen.body)) chosen = null;
  drawReplay(replaying);
}

async function act(address, body) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  try {
    replaying = await fetched(address, { method: "POST", headers, body: JSON.stringify(body) });
    problem = "";
    return true;
  } catch (error) {
    problem = error.message;
    return false;
  }
}

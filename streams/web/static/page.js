// The way through the page and its connection: each view draws the board that the server sends.

import { at, renewAges, setServerClock, setText } from "./dom.js";
import { drawFlow } from "./flow.js";
import { ask, drawAtHand, pollMs, showListener } from "./listener.js";
import { drawModels } from "./models.js";
import { drawNow } from "./now.js";
import { drawRefusedView, showRefused } from "./refused.js";

const SILENCE_MS = 25_000; // The server says something every 10 s.
const RETRY_MS = 1_500;
const VIEWS = ["now", "flow", "listener", "refused", "models"];

let board = null;
let paused = false;
let connected = false;
let lastHeardMs = Date.now();
let source = null;
let view = "now";

// --- views -------------------------------------------------------------------------------------------------------------

/** The address after # names a view, and what it shows: #listener/ada. */
function route() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  let what = null;
  try {
    what = rest.length ? decodeURIComponent(rest.join("/")) : null;
  } catch {
    // Not percent-encoded as it should be: the view without anything.
  }
  view = VIEWS.includes(name) ? name : "now";
  for (const each of VIEWS) at(`view-${each}`).hidden = each !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view === "listener") showListener(what);
  if (view === "refused") showRefused(what);
  if (board) draw();
}

function draw() {
  if (view === "now") drawNow(board);
  if (view === "flow") drawFlow(board);
  if (view === "listener") drawAtHand(board);
  if (view === "models") drawModels(board);
  drawRefusedView(board, view === "refused");
  const refused = board.dead_letters.total;
  setText(at("refused-mark"), refused ? ` ${refused.toLocaleString("en-GB")}` : "");
}

window.addEventListener("hashchange", route);
setInterval(() => {
  if (!paused) renewAges();
}, 1_000);
setInterval(() => {
  if (view === "listener" && !paused && !document.hidden) ask();
}, pollMs);

// --- the connection --------------------------------------------------------------------------------------------------

function drawState() {
  const state = at("state");
  state.className = connected ? "state live" : "state lost";
  setText(state, connected ? (paused ? "paused" : "live") : "disconnected, trying again…");
  const notice = at("notice");
  notice.hidden = connected && !board?.kafka_away;
  setText(
    notice,
    connected ? "Kafka does not answer: what you see may be old." : "The connection to the server is lost: what you see is old. Trying again…",
  );
}

function heard(event) {
  lastHeardMs = Date.now();
  setServerClock(Number(event.lastEventId));
  if (!connected) {
    connected = true;
    drawState();
  }
}

function lost() {
  connected = false;
  drawState();
}

function connect() {
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("board", (event) => {
    heard(event);
    board = JSON.parse(event.data);
    if (!paused) draw();
    drawState();
  });
  source.addEventListener("beat", heard);
  source.addEventListener("error", lost);
}

// The browser tries again by itself after a cut connection, but neither after an error status nor when it never learns
// that the connection is gone.
setInterval(() => {
  const silent = Date.now() - lastHeardMs > SILENCE_MS;
  if (silent) lost();
  if (source.readyState === EventSource.CLOSED || silent) {
    lastHeardMs = Date.now();
    connect();
  }
}, RETRY_MS);

at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  setText(at("pause"), paused ? "Go on" : "Pause");
  if (!paused && board) draw();
  drawState();
});

route();
connect();

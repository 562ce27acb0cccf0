// Draws the board that the server sends.  Text from outside enters through textContent only; nothing is parsed as HTML.

const REASONS = {
  sessions_like_this_one: ["sessions like this", "listeners"],
  often_played_next: ["often next", "listeners"],
  your_own_habit: ["own habit", "habit"],
  you_play_this_often: ["a favourite", "habit"],
  same_artist: ["same artist", ""],
  goes_with_this_session: ["goes with this", "listeners"],
  sounds_like_this_session: ["sounds alike", "sound"],
  similar_description: ["described alike", ""],
  popular_now: ["popular now", ""],
  new_in_the_catalogue: ["new here", ""],
};
const SOURCES = {
  session_knn: "similar sessions",
  sequential_rules: "what follows what",
  listener_habit: "own next tracks",
  listener_memory: "own plays",
  same_artist: "same artist",
  session_encoder: "trained on sessions",
  audio_neighbours: "similar sound",
  metadata_neighbours: "similar description",
  popular: "popular",
  new: "new",
};
const LACKING = {
  no_history: "nothing known of this listener yet",
  unknown_tracks: "tracks never seen before",
  unknown_seed: "the track asked about is not known",
  empty_catalogue: "there is nothing to recommend yet",
  everything_excluded: "every candidate is blocked, skipped or playing",
  no_audio_index: "no audio vectors yet",
};
const OUTCOMES = {
  completed: "played to the end",
  partial: "played in part",
  skipped_early: "skipped early",
  skipped_late: "skipped late",
};
const EVENTS = {
  play: ["played", ""],
  skip: ["skipped", "skip"],
  like: ["liked", "good"],
  dislike: ["disliked", "skip"],
  save: ["saved", "good"],
  share: ["shared", "good"],
  purchase: ["bought", "good"],
  block_track: ["blocked", "skip"],
  unblock_track: ["unblocked", ""],
  block_artist: ["blocked", "skip"],
  unblock_artist: ["unblocked", ""],
  set_discovery: ["dial to", ""],
};
const MODES = {
  session: "for the running session",
  personal: "personal list",
  new: "new tracks",
  popular: "popular tracks",
  similar: "similar tracks",
};
const FIRST_ITEMS = 5;
const SILENCE_MS = 25_000; // The server says something every 10 s.
const RETRY_MS = 1_500;

const at = (id) => document.getElementById(id);
const words = (table, code) => table[code] ?? String(code).replaceAll("_", " ");
const wordPair = (table, code) => table[code] ?? [words({}, code), ""];

/** An element with a class and children; strings become text nodes. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setValue(id, text, unit = "") {
  const parts = unit ? [text, make("small", "", ` ${unit}`)] : [text];
  at(id).replaceChildren(...parts);
}

const dialWords = (value) => (value === 0 ? "0" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`);
const eventWords = (event) => event.title || event.artist || (event.discovery === null ? "" : dialWords(event.discovery));
const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)}`);
const whole = (number) => number.toLocaleString("en-GB");
const milliseconds = (ms) => (ms === null ? "–" : ms < 1000 ? `${Math.round(ms)}` : `${(ms / 1000).toFixed(1)}`);
const millisecondsUnit = (ms) => (ms === null ? "" : ms < 1000 ? "ms" : "s");

// --- figures ---------------------------------------------------------------------------------------------------------

function drawFigures({ figures, minute, dead_letters: refused }) {
  setValue("events-rate", figures.events_per_s.toFixed(1));
  setText(at("events-note"), `${whole(figures.events)} events, ${whole(figures.lists)} lists`);
  drawSpark(at("events-spark"), minute.events);

  setValue("latency", milliseconds(figures.latency_p50_ms), millisecondsUnit(figures.latency_p50_ms));
  const slowest = figures.latency_p99_ms;
  const slow = slowest === null ? "" : `p99 ${milliseconds(slowest)} ${millisecondsUnit(slowest)}, `;
  setText(at("latency-note"), `${slow}last minute`);
  drawSpark(at("latency-spark"), minute.latency_p50_ms);

  const hits = figures.hit_rate;
  setValue("hit-rate", percent(hits.recent_rate), hits.recent_rate === null ? "" : "%");
  setText(at("hit-note"), hitNote(hits));

  const agents = Object.entries(figures.lag);
  const running = agents.filter(([, lag]) => lag !== null);
  setValue("lag", running.length ? whole(running.reduce((sum, [, lag]) => sum + lag, 0)) : "–");
  setText(at("lag-note"), agents.map(([agent, lag]) => `${agent} ${lag === null ? "–" : whole(lag)}`).join(", "));

  setValue("tracks", whole(figures.tracks), figures.tracks === 1 ? "track" : "tracks");
  setText(at("tracks-note"), `${whole(figures.embedded)} with an audio vector`);

  setValue("refused", whole(refused.total));
  at("refused").classList.toggle("warn", refused.total > 0);
  setText(at("refused-note"), refused.total === 1 ? "message" : "messages");
}

function hitNote(hits) {
  if (!hits.listens) return "no listen after a list yet";
  const scope = hits.listens > hits.recent_listens ? `last ${hits.recent_listens}; ${percent(hits.rate)} % so far` : `of ${whole(hits.listens)} listens`;
  const skipped = hits.hits_skipped === null || hits.misses_skipped === null ? "" : `; skipped ${percent(hits.hits_skipped)} % of hits, ${percent(hits.misses_skipped)} % of others`;
  return scope + skipped;
}

/** A line over the last minute from zero; a second without a value breaks it, and a rare peak is cut off. */
function drawSpark(svg, values) {
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

function path(commands, className) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
  element.setAttribute("d", commands);
  if (className) element.setAttribute("class", className);
  return element;
}

// --- sessions --------------------------------------------------------------------------------------------------------

/** What the reader has opened stays open while cards are drawn anew. */
const opened = new Set();
const drawn = new Map();

function drawSessions(sessions) {
  at("nothing").hidden = sessions.length > 0;
  const cards = at("cards");
  sessions.forEach((session, place) => {
    const key = JSON.stringify(session);
    if (drawn.get(place)?.key === key) return;
    const card = drawCard(session, () => redraw(place));
    const before = drawn.get(place);
    if (before?.session.event?.at_ms !== session.event?.at_ms || before?.session.user !== session.user) card.classList.add("fresh");
    drawn.set(place, { key, session });
    if (cards.children[place]) cards.children[place].replaceWith(card);
    else cards.append(card);
  });
  while (cards.children.length > sessions.length) {
    cards.lastElementChild.remove();
    drawn.delete(cards.children.length);
  }
}

function redraw(place) {
  const { session } = drawn.get(place);
  const focused = document.activeElement?.dataset?.focusKey;
  at("cards").children[place].replaceWith(drawCard(session, () => redraw(place)));
  if (focused) at("cards").children[place].querySelector(`[data-focus-key="${CSS.escape(focused)}"]`)?.focus();
}

function drawCard(session, changed) {
  const [newest, ...earlier] = session.tracks;
  const count = session.tracks_in_session;
  const when = make("span", "when", count ? `${count} ${count === 1 ? "track" : "tracks"}, ` : "", age(session.event?.at_ms));
  const name = make("span", "name", session.user);
  name.title = session.user;
  const card = make("article", "card", make("div", "who", name, when));
  card.dataset.user = session.user;
  if (newest) card.append(drawNow(newest, session.event));
  else if (session.event) card.append(drawFeedbackAlone(session.event));
  if (earlier.length) card.append(drawEarlier(earlier));
  if (session.discovery !== null) card.append(drawDial(session));
  if (session.list) card.append(drawList(session, changed));
  return card;
}

/** Where the listener's dial stands; the heading of the list says what it does. */
function drawDial({ discovery }) {
  const scale = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  scale.setAttribute("viewBox", "-1.1 -0.2 2.2 0.4");
  scale.setAttribute("aria-hidden", "true");
  scale.append(path("M-1 0H1M0 -0.1V0.1", ""), path(`M${discovery} -0.16a0.16 0.16 0 1 0 0.001 0Z`, "knob"));
  const value = make("span", "value-of-dial", dialWords(discovery));
  const dial = make("p", "dial", make("span", "", "familiar"), scale, make("span", "", "new"), value);
  dial.title = `Discovery dial at ${dialWords(discovery)}: -1 is mostly familiar tracks, 1 mostly new ones`;
  return dial;
}

function drawNow(track, event) {
  const turnedAway = track.outcome.startsWith("skipped");
  const marks = make("div", "marks", make("span", turnedAway ? "skip" : "", words(OUTCOMES, track.outcome)));
  if (track.listens > 1) marks.append(make("span", "", `${track.listens} times`));
  if (track.list_rank !== null) marks.append(make("span", "hit", `was no. ${track.list_rank} of its list`));
  else if (track.had_list) marks.append(make("span", "", "not in its list"));
  if (event && !["play", "skip"].includes(event.type)) {
    const [verb, mood] = wordPair(EVENTS, event.type);
    marks.append(make("span", mood === "good" ? "hit" : mood, event.title === track.title ? verb : `${verb} ${eventWords(event)}`));
  }
  const title = make("span", "title", track.title);
  title.title = track.artist ? `${track.title}, ${track.artist}` : track.title;
  return make("div", turnedAway ? "now turned-away" : "now", title, make("span", "by", track.artist), marks);
}

function drawFeedbackAlone(event) {
  return make("div", "now", make("span", "title", eventWords(event)), make("div", "marks", wordPair(EVENTS, event.type)[0]));
}

function drawEarlier(tracks) {
  const line = make("p", "before", "before: ");
  tracks.forEach((track, index) => {
    if (index) line.append(", ");
    line.append(make("span", track.outcome.startsWith("skipped") ? "skip" : "", track.title));
  });
  line.title = tracks.map((track) => `${track.title} (${words(OUTCOMES, track.outcome)})`).join("\n");
  return line;
}

function drawList(session, changed) {
  const { list, user } = session;
  const took = list.latency_ms === null ? "" : `${milliseconds(list.latency_ms)} ${millisecondsUnit(list.latency_ms)}`;
  const heading = make("h3", "", make("span", "ms", took), list.length ? "Next" : "Nothing to offer");
  if (list.new_share !== null) heading.append(make("span", "new-share", `${Math.round(100 * list.new_share)} % new to them`));
  const part = make("div", list.is_current ? "next" : "next waiting", heading);
  const all = opened.has(`${user} all`);
  const items = all ? list.items : list.items.slice(0, FIRST_ITEMS);
  if (items.length) part.append(make("ol", "items", ...items.map((item, index) => drawItem(item, index, user, changed))));
  if (list.items.length > FIRST_ITEMS) part.append(drawMore(`${user} all`, all, list, changed));
  for (const code of list.degraded) part.append(make("p", list.length ? "lacking" : "lacking all", words(LACKING, code)));
  return part;
}

function drawMore(key, open, list, changed) {
  const button = make("button", "more", open ? "fewer" : `first ${list.items.length} of ${list.length}`);
  toggles(button, key, changed);
  return button;
}

function drawItem(item, index, user, changed) {
  const [reason, kind] = wordPair(REASONS, item.reason);
  const sources = item.sources.map(([source, rank]) => `no. ${rank} by ${words(SOURCES, source)}`).join(", ");
  const chip = make("button", `chip ${kind}`, reason);
  chip.title = sources;
  const key = `${user} ${index} ${item.title}`;
  toggles(chip, key, changed);
  const track = make("span", "track", item.title, item.artist ? make("span", "by", `  ${item.artist}`) : null);
  track.title = item.artist ? `${item.title}, ${item.artist}` : item.title;
  const line = make("li", "", make("span", "place", `${index + 1}`), track, chip);
  if (opened.has(key)) line.append(make("span", "sources", sources));
  return line;
}

function toggles(button, key, changed) {
  button.type = "button";
  button.dataset.focusKey = key;
  button.setAttribute("aria-expanded", opened.has(key) ? "true" : "false");
  button.addEventListener("click", () => {
    if (!opened.delete(key)) opened.add(key);
    if (opened.size > 200) opened.delete(opened.values().next().value);
    changed();
  });
}

// --- the side --------------------------------------------------------------------------------------------------------

function drawLatest(events) {
  at("latest-panel").hidden = events.length === 0;
  at("latest").replaceChildren(
    ...events.map((event) => {
      const [verb, mood] = wordPair(EVENTS, event.type);
      const what = eventWords(event);
      const line = make("span", "line", what, " ", make("span", "user", event.user));
      line.title = `${event.user} ${verb} ${what}`;
      return make("li", "", make("span", `what ${mood}`, verb), line);
    }),
  );
}

function drawVariants(variants) {
  at("variants-panel").hidden = variants.length === 0;
  const share = (value) => (100 * value).toFixed(1);
  const rank = (value) => value.toFixed(3);
  at("variants").replaceChildren(
    ...variants.map((line) => {
      const name = make("th", "", line.variant);
      name.scope = "row";
      const cells = [drawRate(line.hit_rate, share), drawRate(line.reciprocal_rank, rank), drawRate(line.skipped, share)];
      return make("tr", "", name, make("td", "", whole(line.listens)), ...cells);
    }),
  );
}

function drawRate({ rate, low, high }, shown) {
  const interval = low === null ? "few listeners" : `${shown(low)} to ${shown(high)}`;
  return make("td", "", shown(rate), make("span", "interval", interval));
}

function drawAnswers(answers) {
  at("answers-panel").hidden = answers.length === 0;
  at("answers").replaceChildren(
    ...answers.map(({ user, list }) => {
      const first = list.items.slice(0, 3).map((item) => item.title).join(", ");
      const why = list.degraded.map((code) => words(LACKING, code)).join(", ");
      return make("p", "answer", `${words(MODES, list.mode)}: ${first || why || "empty"} `, make("span", "user", user));
    }),
  );
}

function drawRefused(refused) {
  at("refused-none").hidden = refused.total > 0;
  at("refused-counts").replaceChildren(
    ...refused.counts.map(({ topic, reason, count }) => make("li", "", make("span", "", words({}, reason), " ", make("span", "of", topic)), whole(count))),
  );
  at("refused-newest").replaceChildren(
    ...refused.newest.map(({ place, message }) => make("li", "", make("span", "place", place), message)),
  );
}

// --- time ------------------------------------------------------------------------------------------------------------

let serverAheadMs = 0;

function age(atMs) {
  const element = make("time", "");
  if (atMs) {
    element.dataset.atMs = atMs;
    setText(element, ageWords(atMs));
  }
  return element;
}

function ageWords(atMs) {
  const seconds = Math.max(0, Math.round((Date.now() + serverAheadMs - atMs) / 1000));
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ago` : `${Math.floor(seconds / 3600)} h ago`;
}

setInterval(() => {
  if (paused) return;
  for (const element of document.querySelectorAll("time[data-at-ms]")) setText(element, ageWords(Number(element.dataset.atMs)));
}, 1000);

// --- the connection --------------------------------------------------------------------------------------------------

let board = null;
let paused = false;
let connected = false;
let lastHeardMs = Date.now();
let source = null;

function draw() {
  drawFigures(board);
  drawSessions(board.sessions);
  drawLatest(board.latest);
  drawVariants(board.variants);
  drawAnswers(board.answers);
  drawRefused(board.dead_letters);
  setText(at("versions"), board.model_version === null ? "" : `Ranking ${board.model_version}. Index ${board.index_version}.`);
}

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
  serverAheadMs = Number(event.lastEventId) - lastHeardMs;
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

connect();

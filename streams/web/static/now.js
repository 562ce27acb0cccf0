// What happens now: figures, sessions, the newest events.

import { age, at, drawSpark, make, opened, path, setText, setValue, toggles } from "./dom.js";
import {
  EVENTS,
  LACKING,
  MODES,
  OUTCOMES,
  REASONS,
  SOURCES,
  dialWords,
  eventWords,
  milliseconds,
  millisecondsUnit,
  percent,
  whole,
  wordPair,
  words,
} from "./words.js";

const FIRST_ITEMS = 5;

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

// --- sessions --------------------------------------------------------------------------------------------------------

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
  const name = make("a", "name", session.user);
  name.title = `The way of ${session.user}`;
  name.href = journeyOf(session.user);
  const card = make("article", "card", make("div", "who", name, when));
  card.dataset.user = session.user;
  if (newest) card.append(drawNewest(newest, session.event));
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

function drawNewest(track, event) {
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

export function drawItem(item, index, user, changed) {
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

export const journeyOf = (user) => `#listener/${encodeURIComponent(user)}`;

export function journeyLink(user) {
  const link = make("a", "user", user);
  link.href = journeyOf(user);
  return link;
}

// --- the side --------------------------------------------------------------------------------------------------------

function drawLatest(events) {
  at("latest-panel").hidden = events.length === 0;
  at("latest").replaceChildren(
    ...events.map((event) => {
      const [verb, mood] = wordPair(EVENTS, event.type);
      const what = eventWords(event);
      const line = make("span", "line", what, " ", journeyLink(event.user));
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
      return make("p", "answer", `${words(MODES, list.mode)}: ${first || why || "empty"} `, journeyLink(user));
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

export function drawNow(board) {
  drawFigures(board);
  drawSessions(board.sessions);
  drawLatest(board.latest);
  drawVariants(board.variants);
  drawAnswers(board.answers);
  drawRefused(board.dead_letters);
}

// The way of events: topics with their rates, agents with their lag and workers.

import { at, drawOnce, forget, make, opened, replaceIn, table, toggles } from "./dom.js";
import { whole } from "./words.js";

const short = (topic) => topic.replace(/^musicrec\./, "");
const rate = (perS) => (perS === null ? "–" : perS === 0 ? "0" : perS < 10 ? perS.toFixed(1) : whole(Math.round(perS)));

export function drawFlow(board) {
  const { flow, kafka_away: away } = board;
  drawOnce("flow", [flow, away], () => {
    const topics = new Map(flow.topics.map((topic) => [topic.name, topic]));
    const redraw = () => {
      forget("flow");
      drawFlow(board);
    };
    replaceIn(at("lanes"), ...flow.agents.map((agent) => drawLane(agent, topics, redraw)));
    replaceIn(at("topics"), drawTopics(flow.topics));
    at("flow-nothing").hidden = flow.agents.length > 0;
  });
}

function drawLane(agent, topics, redraw) {
  const ends = (names, className) =>
    make("div", `ends ${className}`, ...names.map((name) => drawEnd(topics.get(name), name)));
  const lane = make("section", "lane", ends(agent.reads, "in"), drawAgent(agent, redraw), ends(agent.writes, "out"));
  lane.dataset.agent = agent.agent;
  return lane;
}

function drawEnd(topic, name) {
  const label = make("span", "topic", short(name));
  label.title = name;
  return make("p", "end", label, topic ? make("span", "rate", `${rate(topic.per_s)}/s`) : make("span", "rate warn", "not there"));
}

function drawAgent(agent, redraw) {
  const box = make("div", "agent", make("h3", "", agent.agent));
  if (agent.lag === null) {
    box.append(make("p", "note", "has never run"));
    return box;
  }
  // Commits come once a second: what came since then is behind and is none.
  const isUsual = agent.lag <= 2 * (agent.per_s ?? 0) + 10;
  const behind = make("span", !agent.lag ? "behind none" : isUsual ? "behind usual" : "behind", agent.lag ? `${whole(agent.lag)} behind` : "nothing behind");
  const done = agent.caught_up_after_s === null || agent.lag < 100 ? "" : `, caught up in ${span(agent.caught_up_after_s)}`;
  box.append(make("p", "lag", behind, make("span", "rate", `${rate(agent.per_s)}/s${done}`)), drawPartitions(agent));
  if (!agent.workers.length) box.append(make("p", "warn", "no worker runs"));
  else if (agent.idle_partitions) box.append(make("p", "warn", `${agent.idle_partitions} partitions are read by nobody`));
  if (agent.workers.length) box.append(...drawWorkers(agent, redraw));
  return box;
}

/** One cell for each partition: what one of them has to itself is seen at a glance. */
function drawPartitions({ lag_by_partition: lags }) {
  const strip = make("div", "partitions");
  strip.setAttribute("role", "img");
  const worst = lags.reduce((most, lag, number) => (lag > lags[most] ? number : most), 0);
  strip.setAttribute("aria-label", lags[worst] ? `most behind: partition ${worst} by ${whole(lags[worst])}` : "no partition is behind");
  for (const [number, lag] of lags.entries()) {
    const level = lag < 5 ? 0 : Math.min(4, 1 + Math.floor(Math.log10(lag)));
    const cell = make("span", `cell level-${level}`);
    cell.title = `partition ${number}: ${whole(lag)} behind`;
    strip.append(cell);
  }
  return strip;
}

function drawWorkers({ agent, workers }, redraw) {
  const key = `workers of ${agent}`;
  const button = make("button", "more", workers.length === 1 ? "1 worker" : `${workers.length} workers`);
  toggles(button, key, redraw);
  if (!opened.has(key)) return [button];
  const line = ({ name, host, partitions }) =>
    make("li", "", make("span", "worker", name), " ", make("span", "host", host), `: ${ranges(partitions) || "nothing"}`);
  return [button, make("ul", "workers", ...workers.map(line))];
}

/** Numbers in ranges: 0-3, 7. */
function ranges(numbers) {
  const found = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(", ");
}

function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function drawTopics(topics) {
  const rows = topics.map(({ name, per_s: perS, kept, partitions }) => {
    const isLetters = name.endsWith(".dlq");
    return [[isLetters ? "name letters" : "name", short(name)], [isLetters && perS > 0 ? "warn" : "", rate(perS)], whole(kept), `${partitions}`];
  });
  return table("topics", "Topics", ["topic", "per second", "kept", "partitions"], rows);
}

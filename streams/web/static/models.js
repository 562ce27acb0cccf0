// What makes the lists: versions in use, models and variants that are announced, rules, and the vector index.

import { age, at, drawOnce, make, replaceIn, table } from "./dom.js";
import { LACKING, whole, words } from "./words.js";

const share = (part, all) => (all ? `${((100 * part) / all).toFixed(part === all ? 0 : 1)} %` : "–");

export function drawModels({ lately_made: made, standing, index }) {
  drawOnce("made", made, () => replaceIn(at("made"), ...drawMade(made)));
  drawOnce("standing", standing, () => replaceIn(at("standing"), ...drawStanding(standing)));
  drawOnce("index", [index, made.makers], () => replaceIn(at("index"), ...drawIndex(index, made)));
}

function drawMade({ minutes, lists, makers, lacking }) {
  if (!lists) return [make("p", "calm", `No list in the last ${minutes} minutes.`)];
  const rows = makers.map((maker) => [["name", maker.model_version], maker.variant, ["name", maker.index_version], ["number", share(maker.lists, lists)]]);
  const parts = [table("wide", "What lists were made by", ["ranking", "variant", "index", `of ${whole(lists)} lists`], rows)];
  if (makers.length > 1 && new Set(makers.map((maker) => maker.model_version)).size > 1) {
    parts.push(make("p", "note", `Two rankings within ${minutes} minutes: a deployment or a variant; if neither is meant, a worker has not loaded what is announced.`));
  }
  if (lacking.length) {
    const line = ({ code, lists: count }) => make("li", "", make("span", "", words(LACKING, code)), share(count, lists));
    parts.push(make("h3", "", "Lists that had to do without something"), make("ul", "counts", ...lacking.map(line)));
  }
  return parts;
}

function drawStanding({ models, variants, rules }) {
  const parts = [];
  if (models.length) {
    const rows = models.map((model) => [model.name, ["name", model.version], ["name", model.folder], age(model.announced_at_ms)]);
    parts.push(make("h3", "", "Models"), table("wide", "Models", ["model", "version", "folder", "announced"], rows));
  }
  if (variants.length) {
    const rows = variants.map((variant) => [
      variant.name,
      ["number", variant.share ? `${(100 * variant.share).toFixed(0)} % from ${(100 * variant.start).toFixed(0)} %` : "shadow"],
      ["name", variant.settings.join(", ") || "as the default"],
      age(variant.announced_at_ms),
    ]);
    parts.push(make("h3", "", "Variants"), table("wide", "Variants", ["variant", "listeners", "differs in", "announced"], rows));
  }
  if (rules.length) {
    const rows = rules.map((rule) => [rule.name, rule.effect, ["number", rule.matches ? whole(rule.matches) : "all"], rule.markets.join(", ") || "everywhere", inForce(rule), ["name", rule.reason]]);
    parts.push(make("h3", "", "Rules"), table("wide", "Rules", ["rule", "effect", "matches", "markets", "in force", "why"], rows));
  }
  return parts.length ? parts : [make("p", "calm", "No model, variant or rule is announced: workers rank by their settings.")];
}

function inForce({ from_ms: from, until_ms: until }) {
  const day = (ms) => new Date(ms).toLocaleString();
  if (from === null && until === null) return "always";
  return [from === null ? "" : `from ${day(from)}`, until === null ? "" : `until ${day(until)}`].join(" ").trim();
}

function drawIndex({ tracks, with_audio: withAudio, waiting, vectors, newest_ms: newest }, { makers }) {
  // After the slash stands the generation of the index.
  const used = new Set(makers.map((maker) => maker.index_version.split("/")[0]));
  const figures = [
    [whole(tracks), "tracks"],
    [whole(withAudio), "with audio"],
    [whole(waiting), waiting ? "wait for a vector, or were refused" : "wait for a vector"],
  ];
  const parts = [make("p", "figures-line", ...figures.map(([value, note]) => make("span", "", make("b", "", value), ` ${note}`)))];
  const rows = Object.entries(vectors).map(([version, count]) => [["name", version], ["number", whole(count)], used.has(version) ? "in use" : ""]);
  if (rows.length) parts.push(table("wide", "Vectors by model", ["model of the vectors", "tracks", ""], rows));
  if (newest !== null) parts.push(make("p", "note", "newest vector ", age(newest)));
  return parts;
}

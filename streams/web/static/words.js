// What the page calls the codes of the contract.

export const REASONS = {
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
export const SOURCES = {
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
export const LACKING = {
  no_history: "nothing known of this listener yet",
  unknown_tracks: "tracks never seen before",
  unknown_seed: "the track asked about is not known",
  empty_catalogue: "there is nothing to recommend yet",
  everything_excluded: "every candidate is blocked, skipped or playing",
  no_audio_index: "no audio vectors yet",
};
export const OUTCOMES = {
  completed: "played to the end",
  partial: "played in part",
  skipped_early: "skipped early",
  skipped_late: "skipped late",
};
export const EVENTS = {
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
export const MODES = {
  session: "for the running session",
  personal: "personal list",
  new: "new tracks",
  popular: "popular tracks",
  similar: "similar tracks",
};

export const words = (table, code) => table[code] ?? String(code).replaceAll("_", " ");
export const wordPair = (table, code) => table[code] ?? [words({}, code), ""];

export const dialWords = (value) => (value === 0 ? "0" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`);
export const eventWords = (event) => event.title || event.artist || (event.discovery === null ? "" : dialWords(event.discovery));
export const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)}`);
export const whole = (number) => number.toLocaleString("en-GB");
export const milliseconds = (ms) => (ms === null ? "–" : ms < 1000 ? `${Math.round(ms)}` : `${(ms / 1000).toFixed(1)}`);
export const millisecondsUnit = (ms) => (ms === null ? "" : ms < 1000 ? "ms" : "s");


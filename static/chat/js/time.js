/** Times as people say them. */

const DAY_MS = 86_400_000;

/** The heading a thread stands under. @param {string} iso @param {Date} now */
export function dayGroup(iso, now) {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const at = new Date(iso).getTime();
  if (at >= midnight) return "Today";
  if (at >= midnight - DAY_MS) return "Yesterday";
  if (at >= midnight - 7 * DAY_MS) return "Last week";
  return "Earlier";
}

/** A duration with the precision that helps. @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** Milliseconds since a server's time, never negative, whatever the two clocks say. @param {string | null} iso */
export const since = (iso) => (iso ? Math.max(0, Date.now() - Date.parse(iso)) : 0);

/** @type {Set<() => void>} */
const ticking = new Set();
let timer = 0;

/** Calls back ten times a second for as long as somebody ticks. @param {() => void} callback
 * @returns {() => void} stops it */
export function tick(callback) {
  ticking.add(callback);
  timer ||= setInterval(() => ticking.forEach((one) => one()), 100);
  return () => {
    ticking.delete(callback);
    if (ticking.size) return;
    clearInterval(timer);
    timer = 0;
  };
}

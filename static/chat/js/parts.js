/**
 * An answer cut into what is shown one below the other: text, tool call, text.
 *
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Run} Run
 * @typedef {import("./types.js").ToolCall} ToolCall
 * @typedef {{start: number, text: string, call?: undefined} | {call: ToolCall}} Part
 */

/** The parts of an answer, in order; tool calls stand at their `text_offset`. @param {Message} message
 * @returns {Part[]} */
export function parts(message) {
  /** @type {Part[]} */
  const made = [];
  let start = 0;
  const text = (/** @type {number} */ end) => {
    const slice = message.text.slice(start, end);
    if (slice.trim()) made.push({ start, text: slice });
    start = Math.max(start, end);
  };
  const calls = message.tool_calls.length > 1
    ? message.tool_calls.toSorted((a, b) => a.text_offset - b.text_offset) : message.tool_calls;
  for (const call of calls) {
    text(codeUnits(message.text, call.text_offset));
    made.push({ call });
  }
  text(message.text.length);
  return made;
}

/** Where a count of code points ends, in JavaScript's UTF-16 units. @param {string} text @param {number} codePoints */
export function codeUnits(text, codePoints) {
  let at = 0;
  for (let count = 0; count < codePoints && at < text.length; count += 1) {
    at += /** @type {number} */ (text.codePointAt(at)) > 0xffff ? 2 : 1;
  }
  return at;
}

/** How an answer came about, in one line, or "". @param {Message} message */
export function stepsLine(message) {
  const count = message.tool_calls.length;
  const verb = message.tool_calls.some((call) => call.status === "running") ? "using" : "used";
  const used = count ? `${verb} ${count} ${count === 1 ? "tool" : "tools"}` : "";
  if (!message.reasoning) return capitalised(used);
  const [first] = message.tool_calls;
  const seconds = first ? Math.round((Date.parse(first.started_at) - Date.parse(message.created_at)) / 1000) : 0;
  const thought = seconds >= 1 ? `Thought for ${seconds} s` : "Thought it over";
  return [thought, used].filter(Boolean).join(" · ");
}

/** What is said of an answer that another attempt goes on with, or "". @param {Run} run */
export function recoveryLine(run) {
  if (!run.recovered) return "";
  return `Picked up again where it was interrupted${run.attempt > 2 ? ` · attempt ${run.attempt}` : ""}`;
}

/** @param {string} text */
const capitalised = (text) => text.charAt(0).toUpperCase() + text.slice(1);

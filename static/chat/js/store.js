/**
 * What a thread looks like, as a pure fold over its frames: the only place where a thread's state changes.
 *
 * A state is never changed in place; what a frame does not touch keeps its identity, so a view redraws what is new by
 * comparing references. Messages that are still being written stand apart in `live`: a delta copies that handful and
 * not the whole thread.
 *
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").ToolCall} ToolCall
 * @typedef {import("./types.js").Run} Run
 * @typedef {import("./types.js").Frame} Frame
 *
 * @typedef {object} State
 * @property {number} seq the last event seen
 * @property {boolean} ready the server said that we are caught up, or gave a snapshot
 * @property {import("./types.js").Thread | null} thread
 * @property {readonly string[]} path ids of the shown messages, oldest first
 * @property {readonly string[]} queued ids of messages that wait for their turn, oldest first
 * @property {Readonly<Record<string, Message>>} messages finished ones
 * @property {Readonly<Record<string, Message>>} live unfinished ones
 * @property {Readonly<Record<string, Run>>} runs
 * @property {boolean} hasMore older messages are to be had
 */

/** @type {State} */
export const empty = Object.freeze({
  seq: 0, ready: false, thread: null, path: [], queued: [], messages: {}, live: {}, runs: {}, hasMore: false,
});

/** The state after a frame. Unknown frames, and events seen before, change nothing.
 * @param {State} state @param {Frame} frame @returns {State} */
export function apply(state, frame) {
  if (frame.type === "snapshot") return fromSnapshot(frame);
  if (frame.type === "caught_up") return state.ready ? state : { ...state, ready: true };
  const handle = Object.hasOwn(handlers, frame.type) ? handlers[frame.type] : null;
  if (typeof frame.seq !== "number" || CONTROL.has(frame.type) || frame.seq <= state.seq) return state;
  const next = handle ? handle(state, frame) : state;
  return { ...next, seq: frame.seq };
}

/** The state with an older page of the path before what it holds.
 * @param {State} state @param {{messages: Message[], has_more: boolean}} page @returns {State} */
export function prepend(state, page) {
  const older = page.messages.filter((message) => !state.path.includes(message.id));
  const messages = { ...Object.fromEntries(older.map((message) => [message.id, message])), ...state.messages };
  return { ...state, messages, path: [...older.map((message) => message.id), ...state.path], hasMore: page.has_more };
}

/** @param {State} state @param {string} id @returns {Message | undefined} */
export const message = (state, id) => state.live[id] ?? state.messages[id];

const UNFINISHED = new Set(["queued", "running", "interrupted"]);

/** Runs that may still write, oldest first. @param {State} state @returns {Run[]} */
export const unfinished = (state) => Object.values(state.runs).filter((run) => UNFINISHED.has(run.status))
  .sort((a, b) => (a.created_at < b.created_at ? -1 : 1));

const CONTROL = new Set(["hello", "snapshot", "caught_up", "ack", "error", "ping", "pong"]);

/** @type {Record<string, (state: State, frame: Frame) => State>} */
const handlers = {
  thread_updated: (state, { thread }) => ({ ...state, thread }),
  branch_selected: (state, { messages, head_id: head }) => {
    const shown = messages.reduce(put, state);
    const [first] = messages;
    const fork = first ? state.path.indexOf(first.parent_id) : state.path.indexOf(head);
    const kept = !first && fork < 0 ? [] : state.path.slice(0, fork + 1);
    const ids = messages.map((/** @type {Message} */ one) => one.id);
    return { ...shown, path: [...kept, ...ids], queued: without(shown.queued, ids) };
  },
  message_created: (state, frame) => place(put(state, frame.message), frame.message),
  message_completed: (state, frame) => {
    const known = message(state, frame.message.id) !== undefined;
    return known ? place(put(state, frame.message), frame.message) : state;
  },
  assistant_delta: (state, { message_id: id, text }) =>
    patch(state, id, (held) => ({ ...held, text: held.text + text })),
  reasoning_delta: (state, { message_id: id, text }) =>
    patch(state, id, (held) => ({ ...held, reasoning: held.reasoning + text })),
  message_restarted: (state, { message_id: id, text, reasoning = "" }) => {
    const held = message(state, id);
    return held ? put(state, { ...held, text, reasoning, status: "streaming", error: null, elapsed_ms: null }) : state;
  },
  tool_call_started: (state, frame) => withCall(state, frame.tool_call),
  tool_call_completed: (state, frame) => withCall(state, frame.tool_call),
  tool_call_progress: (state, frame) => patchCall(state, frame.tool_call_id, (call) => ({
    ...call,
    progress: frame.progress ?? call.progress,
    text: frame.text || call.text,
    preview_url: frame.preview_url ?? call.preview_url,
  })),
  image_ready: (state, { image }) => patch(state, holder(state, image.tool_call_id), (held) => ({
    ...held, images: [...held.images.filter((one) => one.id !== image.id), image],
  })),
  run_queued: withRun,
  run_started: withRun,
  run_recovered: withRun,
  run_interrupted: withRun,
  run_completed: withRun,
  run_failed: withRun,
  run_stopped: withRun,
  run_progress: (state, { run_id: id, status, current_step: step }) =>
    patchRun(state, id, (run) => ({ ...run, status, current_step: step })),
};

/** @param {Frame} frame @returns {State} */
function fromSnapshot(frame) {
  const messages = /** @type {Message[]} */ (frame.messages);
  const start = messages.reduce(put, { ...empty, seq: frame.seq ?? 0, ready: true, thread: frame.thread });
  return {
    ...start,
    path: messages.filter((one) => one.status !== "queued").map((one) => one.id),
    queued: messages.filter((one) => one.status === "queued").map((one) => one.id),
    runs: Object.fromEntries(frame.runs.map((/** @type {Run} */ run) => [run.id, run])),
    hasMore: frame.has_more,
  };
}

/** Holds a message whole, wherever it stood. @param {State} state @param {Message} one @returns {State} */
function put(state, one) {
  if (one.status === "streaming") return { ...state, live: { ...state.live, [one.id]: one } };
  const live = { ...state.live };
  delete live[one.id];
  return { ...state, live, messages: { ...state.messages, [one.id]: one } };
}

/** Gives a message its place: in the queue, at the path's end, or after its parent in place of what followed.
 * One whose parent is not shown belongs to another branch and is only held.
 * @param {State} state @param {Message} one @returns {State} */
function place(state, one) {
  if (one.status === "queued") {
    return state.queued.includes(one.id) ? state : { ...state, queued: [...state.queued, one.id] };
  }
  const queued = state.queued.includes(one.id) ? state.queued.filter((id) => id !== one.id) : state.queued;
  if (state.path.includes(one.id)) return queued === state.queued ? state : { ...state, queued };
  const parent = one.parent_id === null ? -1 : state.path.indexOf(one.parent_id);
  if (one.parent_id !== null && parent < 0 && state.path.length) return { ...state, queued };
  return { ...state, queued, path: [...state.path.slice(0, parent + 1), one.id] };
}

/** @param {readonly string[]} ids @param {readonly string[]} gone */
const without = (ids, gone) => ids.filter((id) => !gone.includes(id));

/** @param {State} state @param {string | null} id @param {(held: Message) => Message} change @returns {State} */
function patch(state, id, change) {
  if (id === null) return state;
  const live = state.live[id];
  if (live) return { ...state, live: { ...state.live, [id]: change(live) } };
  const held = state.messages[id];
  return held ? { ...state, messages: { ...state.messages, [id]: change(held) } } : state;
}

/** @param {State} state @param {ToolCall} call @returns {State} */
function withCall(state, call) {
  return patch(state, call.message_id, (held) => {
    const known = held.tool_calls.some((one) => one.id === call.id);
    const calls = known ? held.tool_calls.map((one) => (one.id === call.id ? call : one)) : [...held.tool_calls, call];
    return { ...held, tool_calls: calls };
  });
}

/** @param {State} state @param {string} id @param {(call: ToolCall) => ToolCall} change @returns {State} */
function patchCall(state, id, change) {
  return patch(state, holder(state, id), (held) => ({
    ...held, tool_calls: held.tool_calls.map((call) => (call.id === id ? change(call) : call)),
  }));
}

/** The id of the message that holds a tool call, newest first. @param {State} state @param {string | null} callId */
function holder(state, callId) {
  const holds = (/** @type {Message | undefined} */ one) => one?.tool_calls.some((call) => call.id === callId);
  return Object.values(state.live).find(holds)?.id ?? state.path.findLast((id) => holds(state.messages[id])) ?? null;
}

/** @param {State} state @param {Frame} frame @returns {State} */
function withRun(state, { run }) {
  return { ...state, runs: { ...state.runs, [run.id]: run } };
}

/** @param {State} state @param {string | undefined} id @param {(run: Run) => Run} change @returns {State} */
function patchRun(state, id, change) {
  const run = id === undefined ? undefined : state.runs[id];
  return run ? { ...state, runs: { ...state.runs, [run.id]: change(run) } } : state;
}

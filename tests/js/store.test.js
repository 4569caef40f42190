import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { apply, empty, message, prepend, unfinished } from "../../static/chat/js/store.js";
import { log, mergeDeltas, random, snapshotOf } from "./a-log.js";

const fold = (frames, from = empty) => frames.reduce(apply, from);
const shown = ({ seq: _seq, ready: _ready, ...rest }) => rest;
const a = (fields) => ({
  id: "m1", thread_id: "t", run_id: "r1", parent_id: null, role: "user", text: "", reasoning: "", status: "complete",
  attachments: [], tool_calls: [], images: [], sibling_index: 0, sibling_count: 1, created_at: "2026-01-01T00:00:00.000Z",
  ...fields,
});
const run = (fields) => ({
  id: "r1", thread_id: "t", message_id: null, status: "running", attempt: 1, recovered: false, current_step: null, interrupts: [],
  error: null, usage: null, created_at: "2026-01-01T00:00:00.000Z", started_at: null, ended_at: null, ...fields,
});
const numbered = (frames) => frames.map((frame, at) => ({ seq: at + 1, at: "", thread_id: "t", ...frame }));

describe("replayed state equals live state", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const events = log(random(seed));
    const live = fold(events);
    const next = random(seed * 7919);

    test(`log ${seed}: with neighbouring deltas merged`, () => {
      assert.deepEqual(shown(fold(mergeDeltas(events, next))), shown(live));
    });
    test(`log ${seed}: with a piece of it delivered twice`, () => {
      const cut = Math.floor(next() * events.length);
      const back = Math.floor(next() * cut);
      assert.deepEqual(shown(fold([...events.slice(0, cut), ...events.slice(back)])), shown(live));
    });
    test(`log ${seed}: from a snapshot at any place`, () => {
      const cut = Math.floor(next() * events.length);
      const before = fold(events.slice(0, cut));
      const after = fold(events.slice(cut), fold([snapshotOf(before)]));
      assert.deepEqual(visible(after), visible(live));
    });
  }
});

/** What a person sees of a state: a snapshot leaves out other branches and runs that ended. */
function visible(state) {
  return {
    path: state.path.map((id) => message(state, id)), queued: state.queued.map((id) => message(state, id)),
    runs: unfinished(state), thread: state.thread,
  };
}

test("a state is never changed in place", () => {
  const freeze = (value) => {
    if (value && typeof value === "object" && !Object.isFrozen(value)) Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };
  log(random(42)).reduce((state, frame) => freeze(apply(state, freeze(frame))), empty);
});

test("a delta leaves every other message and the whole path as they were", () => {
  const before = fold(numbered([
    { type: "message_created", message: a({}) },
    { type: "message_created", message: a({ id: "m2", parent_id: "m1", role: "assistant", status: "streaming" }) },
  ]));
  const after = apply(before, { type: "assistant_delta", seq: 3, message_id: "m2", text: "Hi" });
  assert.equal(message(after, "m2")?.text, "Hi");
  assert.equal(after.messages, before.messages);
  assert.equal(after.path, before.path);
  assert.equal(after.runs, before.runs);
});

test("control frames and unknown frames change nothing", () => {
  const before = fold(numbered([{ type: "message_created", message: a({}) }]));
  for (const type of ["hello", "ack", "error", "ping", "pong"]) assert.equal(apply(before, { type, seq: 99 }), before);
  const after = apply(before, { type: "news_of_tomorrow", seq: 2 });
  assert.deepEqual({ ...after, seq: 1 }, before);
  assert.equal(apply(before, { type: "toString", seq: 2 }).path, before.path);
});

test("an event seen before changes nothing", () => {
  const events = numbered([
    { type: "message_created", message: a({ role: "assistant", status: "streaming" }) },
    { type: "assistant_delta", message_id: "m1", text: "once" },
  ]);
  const state = fold(events);
  assert.equal(apply(state, events[1]), state);
});

test("a queued message stands after the path until its run starts, and then takes its place", () => {
  const events = numbered([
    { type: "message_created", message: a({}) },
    { type: "message_created", message: a({ id: "m2", parent_id: "m1", role: "assistant", status: "streaming" }) },
    { type: "message_created", message: a({ id: "m3", status: "queued", run_id: "r2" }) },
    { type: "message_completed", message: a({ id: "m2", parent_id: "m1", role: "assistant", text: "Done." }) },
    { type: "message_completed", message: a({ id: "m3", parent_id: "m2", run_id: "r2" }) },
    { type: "message_created", message: a({ id: "m4", parent_id: "m3", run_id: "r2", role: "assistant", status: "streaming" }) },
  ]);
  const waiting = fold(events.slice(0, 4));
  assert.deepEqual([waiting.path, waiting.queued], [["m1", "m2"], ["m3"]]);
  const started = fold(events);
  assert.deepEqual([started.path, started.queued], [["m1", "m2", "m3", "m4"], []]);
});

test("a restarted message has the text that is certain, and goes on from there", () => {
  const state = fold(numbered([
    { type: "message_created", message: a({ role: "assistant", status: "streaming" }) },
    { type: "assistant_delta", message_id: "m1", text: "Certain. Perhaps" },
    { type: "message_restarted", message_id: "m1", attempt: 2, text: "Certain." },
    { type: "assistant_delta", message_id: "m1", text: " Anew." },
  ]));
  assert.equal(message(state, "m1")?.text, "Certain. Anew.");
});

test("a chosen branch replaces the path from the fork on, and the other branch may still be written to", () => {
  const state = fold(numbered([
    { type: "message_created", message: a({}) },
    { type: "message_created", message: a({ id: "m2", parent_id: "m1", role: "assistant", status: "streaming" }) },
    { type: "branch_selected", head_id: "m5", messages: [a({ id: "m5", parent_id: "m1", role: "assistant", text: "Else" })] },
    { type: "assistant_delta", message_id: "m2", text: "unseen" },
    { type: "message_created", message: a({ id: "m6", parent_id: "m2" }) },
  ]));
  assert.deepEqual(state.path, ["m1", "m5"]);
  assert.equal(message(state, "m2")?.text, "unseen");
});

test("an edit of the first message replaces the whole path", () => {
  const state = fold(numbered([
    { type: "message_created", message: a({}) },
    { type: "branch_selected", head_id: "m9", messages: [a({ id: "m9", text: "Else" })] },
  ]));
  assert.deepEqual(state.path, ["m9"]);
});

test("a tool call takes its progress, its picture and its end", () => {
  const call = { id: "c1", run_id: "r1", message_id: "m1", name: "generate_image", args: {}, status: "running", progress: null,
    text: "", preview_url: null, result: null, error: null, text_offset: 0, started_at: "", duration_ms: null };
  const events = numbered([
    { type: "message_created", message: a({ role: "assistant", status: "streaming" }) },
    { type: "tool_call_started", tool_call: call },
    { type: "tool_call_progress", tool_call_id: "c1", progress: 0.4, text: "sky", preview_url: "/p/1" },
    { type: "tool_call_progress", tool_call_id: "c1", progress: 0.6, text: "", preview_url: null },
    { type: "image_ready", tool_call_id: "c1", url: "/i", prompt: "fox", image: { id: "i1", tool_call_id: "c1" } },
    { type: "tool_call_completed", tool_call: { ...call, status: "succeeded", progress: 1, duration_ms: 10 } },
  ]);
  const [midway] = message(fold(events.slice(0, 4)), "m1")?.tool_calls ?? [];
  assert.deepEqual([midway.progress, midway.text, midway.preview_url], [0.6, "sky", "/p/1"]);
  const done = message(fold(events), "m1");
  assert.deepEqual([done?.tool_calls[0].status, done?.images.length], ["succeeded", 1]);
});

test("unfinished runs are those that may still write", () => {
  const state = fold(numbered([
    { type: "run_queued", run: run({ status: "queued" }) },
    { type: "run_started", run: run({}) },
    { type: "run_queued", run: run({ id: "r2", status: "queued", created_at: "2026-01-01T00:00:01.000Z" }) },
    { type: "run_progress", run_id: "r1", status: "running", current_step: "tools", tools_called: 1, tokens: 5, elapsed_ms: 9 },
  ]));
  assert.deepEqual(unfinished(state).map((one) => [one.id, one.current_step]), [["r1", "tools"], ["r2", null]]);
  assert.deepEqual(unfinished(apply(state, { type: "run_stopped", seq: 9, run: run({ status: "stopped" }) })).map((one) => one.id), ["r2"]);
});

test("an older page goes before the path, and what the state knows better stays", () => {
  const state = fold([{ type: "snapshot", seq: 5, thread: null, messages: [a({ id: "m3", parent_id: "m2" })], runs: [], has_more: true }]);
  const full = prepend(state, { messages: [a({}), a({ id: "m2", parent_id: "m1" }), a({ id: "m3", text: "old" })], has_more: false });
  assert.deepEqual([full.path, full.hasMore, message(full, "m3")?.text], [["m1", "m2", "m3"], false, ""]);
});

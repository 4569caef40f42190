/** Logs as a server could write them, made from a seed: several turns, tools, restarts, queued messages, stops. */

/** A small generator of numbers from 0 to 1 (mulberry32). @param {number} seed */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** @param {() => number} next */
export function log(next) {
  const frames = [];
  let clock = Date.parse("2026-01-01T00:00:00Z");
  const add = (type, fields) => frames.push({ type, seq: frames.length + 1, at: time(), thread_id: "t", ...fields });
  const time = () => new Date(clock += 10).toISOString();
  const chance = (p) => next() < p;
  let head = null;
  let waiting = null;
  const turns = 1 + Math.floor(next() * 4);
  for (let turn = 1; turn <= turns; turn += 1) {
    const ids = { run: `r${turn}`, ask: `u${turn}`, answer: `a${turn}` };
    const run = { id: ids.run, thread_id: "t", message_id: null, status: "queued", attempt: 1, recovered: false, current_step: null, interrupts: [],
      error: null, usage: null, created_at: time(), started_at: null, ended_at: null };
    let ask = waiting ?? words({ id: ids.ask, run_id: ids.run, parent_id: head, role: "user", text: `question ${turn}`, created_at: time() });
    if (waiting) {
      ask = { ...ask, parent_id: head, status: "complete" };
      add("message_completed", { message: ask });
    } else {
      add("message_created", { message: ask });
      add("run_queued", { run });
    }
    let live = { ...run, status: "running", started_at: time() };
    add("run_started", { run: live });
    if (chance(0.15)) {
      add("run_failed", { run: { ...live, status: "failed", error: { code: "x", message: "No.", retryable: true } } });
      head = ask.id;
      waiting = null;
      continue;
    }
    let answer = words({ id: ids.answer, run_id: ids.run, parent_id: ask.id, role: "assistant", status: "streaming", created_at: time() });
    add("message_created", { message: answer });
    const write = (type, field) => {
      for (let piece = Math.floor(next() * 6); piece > 0; piece -= 1) {
        const text = chance(0.2) ? "😀 " : `w${Math.floor(next() * 100)} `;
        answer = { ...answer, [field]: answer[field] + text };
        add(type, { message_id: answer.id, text });
      }
    };
    write("reasoning_delta", "reasoning");
    write("assistant_delta", "text");
    if (chance(0.5)) {
      let call = { id: `c${turn}`, run_id: ids.run, message_id: answer.id, name: "generate_image", args: {}, status: "running", progress: null,
        text: "", preview_url: null, result: null, error: null, text_offset: [...answer.text].length, started_at: time(), duration_ms: null };
      add("tool_call_started", { tool_call: call });
      for (const progress of [0.3, 0.7]) add("tool_call_progress", { run_id: ids.run, tool_call_id: call.id, progress, text: "sky", preview_url: `/p/${progress}` });
      const image = { id: `i${turn}`, tool_call_id: call.id };
      add("image_ready", { tool_call_id: call.id, url: "/i", prompt: "fox", image });
      call = { ...call, status: "succeeded", progress: 1, duration_ms: 5 };
      add("tool_call_completed", { tool_call: call });
      answer = { ...answer, tool_calls: [call], images: [image] };
      add("run_progress", { run_id: ids.run, status: "running", current_step: "model", tools_called: 1, tokens: 3, elapsed_ms: 4 });
      live = { ...live, current_step: "model" };
    }
    if (chance(0.3)) {
      live = { ...live, attempt: 2, recovered: true };
      answer = { ...answer, text: answer.text.slice(0, answer.text.length >> 1) };
      add("run_recovered", { run: live });
      add("message_restarted", { message_id: answer.id, attempt: 2, text: answer.text });
    }
    waiting = null;
    if (turn < turns && chance(0.4)) {
      waiting = words({ id: `u${turn + 1}`, run_id: `r${turn + 1}`, role: "user", status: "queued", text: "later", created_at: time() });
      add("message_created", { message: waiting });
      add("run_queued", { run: { ...run, id: `r${turn + 1}`, created_at: time() } });
    }
    write("assistant_delta", "text");
    const stopped = chance(0.2);
    answer = { ...answer, status: stopped ? "stopped" : "complete" };
    add("message_completed", { message: answer });
    add(stopped ? "run_stopped" : "run_completed", { run: { ...live, status: stopped ? "stopped" : "completed", ended_at: time() } });
    head = answer.id;
    if (turn === 1) add("thread_updated", { thread: { id: "t", title: "Named", background: null, head_id: head } });
  }
  return frames;
}

/** The same log as a replay may give it: neighbouring deltas in one frame with the last one's seq. */
export function mergeDeltas(frames, next) {
  return frames.reduce((merged, frame) => {
    const last = merged.at(-1);
    const joins = last && last.type === frame.type && frame.type.endsWith("_delta") && last.message_id === frame.message_id;
    if (!joins || next() < 0.3) return [...merged, frame];
    return [...merged.slice(0, -1), { ...last, seq: frame.seq, text: last.text + frame.text }];
  }, []);
}

/** What a server would send for this state to a client without a past. */
export function snapshotOf(state) {
  const messages = [...state.path, ...state.queued].map((id) => state.live[id] ?? state.messages[id]);
  const runs = Object.values(state.runs).filter((run) => ["queued", "running", "interrupted"].includes(run.status));
  return { type: "snapshot", seq: state.seq, thread: state.thread, messages, runs, has_more: state.hasMore };
}

const words = (fields) => ({
  thread_id: "t", parent_id: null, text: "", reasoning: "", status: "complete", attachments: [], tool_calls: [], images: [],
  sibling_index: 0, sibling_count: 1, ...fields,
});

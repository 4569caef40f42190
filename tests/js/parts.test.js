import assert from "node:assert/strict";
import { test } from "node:test";
import { codeUnits, parts, recoveryLine, stepsLine } from "../../static/chat/js/parts.js";

const answer = (fields) => ({ text: "", reasoning: "", tool_calls: [], created_at: "2026-01-01T00:00:00.000Z", ...fields });
const call = (id, offset, started = "2026-01-01T00:00:03.000Z") => ({ id, text_offset: offset, started_at: started });
const outline = (message) => parts(message).map((part) => part.call?.id ?? part.text);

test("tool calls stand at their place in the text", () => {
  assert.deepEqual(outline(answer({ text: "Before. After.", tool_calls: [call("c1", 7)] })), ["Before.", "c1", " After."]);
});
test("calls at one place keep their order, and no empty text stands between them", () => {
  assert.deepEqual(outline(answer({ text: "Then", tool_calls: [call("c1", 0), call("c2", 0)] })), ["c1", "c2", "Then"]);
});
test("a place is counted in code points", () => {
  assert.deepEqual(outline(answer({ text: "😀é.Next", tool_calls: [call("c1", 3)] })), ["😀é.", "c1", "Next"]);
  assert.equal(codeUnits("😀😀", 1), 2);
  assert.equal(codeUnits("ab", 9), 2);
});
test("a place past the end of the text so far is its end", () => {
  assert.deepEqual(outline(answer({ text: "Hi", tool_calls: [call("c1", 50)] })), ["Hi", "c1"]);
});
test("the steps' line says what an answer took", () => {
  assert.equal(stepsLine(answer({})), "");
  assert.equal(stepsLine(answer({ tool_calls: [call("c1", 0)] })), "Used 1 tool");
  assert.equal(stepsLine(answer({ tool_calls: [{ ...call("c1", 0), status: "running" }] })), "Using 1 tool");
  assert.equal(stepsLine(answer({ reasoning: "Hm", tool_calls: [call("c1", 0), call("c2", 0)] })), "Thought for 3 s · used 2 tools");
  assert.equal(stepsLine(answer({ reasoning: "Hm" })), "Thought it over");
});
test("an answer that another attempt goes on with says so, with its number from the third on; a person's retry does not", () => {
  const said = (attempt, recovered) => recoveryLine({ attempt, recovered });
  assert.equal(said(1, false), "");
  assert.equal(said(2, false), "");
  assert.equal(said(2, true), "Picked up again where it was interrupted");
  assert.equal(said(3, true), "Picked up again where it was interrupted · attempt 3");
});

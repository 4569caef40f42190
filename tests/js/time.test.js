import assert from "node:assert/strict";
import { test } from "node:test";
import { dayGroup, duration, since } from "../../static/chat/js/time.js";

test("threads are grouped by the person's own days", () => {
  const now = new Date(2026, 4, 20, 0, 30);
  const at = (day, hour) => new Date(2026, 4, day, hour).toISOString();
  assert.equal(dayGroup(at(20, 0), now), "Today");
  assert.equal(dayGroup(at(19, 23), now), "Yesterday");
  assert.equal(dayGroup(at(14, 12), now), "Last week");
  assert.equal(dayGroup(at(2, 12), now), "Earlier");
});
test("durations have the precision that helps", () => {
  assert.deepEqual([0, 1840, 9990, 42_400, 125_000].map(duration), ["0.0 s", "1.8 s", "10.0 s", "42 s", "2 min 5 s"]);
});
test("a server's clock that runs ahead gives no negative time", () => {
  assert.equal(since(new Date(Date.now() + 60_000).toISOString()), 0);
  assert.equal(since(null), 0);
});

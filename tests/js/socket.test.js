import assert from "node:assert/strict";
import { test } from "node:test";
import { afterClose, backoffMs } from "../../static/chat/js/socket.js";

test("every close code of the protocol has its answer", () => {
  const answers = Object.fromEntries([1012, 4401, 4404, 4408, 4400, 4429, 1006].map((code) => [code, afterClose(code)]));
  assert.deepEqual(answers, {
    1012: "reconnect", 4401: "sign_in", 4404: "gone", 4408: "reconnect", 4400: "stop", 4429: "wait", 1006: "reconnect",
  });
});
test("waiting grows to a bound, and no two tabs wait the same", () => {
  assert.deepEqual([backoffMs(0, 0), backoffMs(0, 1)], [125, 250]);
  assert.ok(backoffMs(3, 0) > backoffMs(0, 1));
  assert.equal(backoffMs(500, 1), 10_000);
});

/**
 * WebSockets that come back: one for a thread (the protocol's), and what it shares with the feed of threads.
 *
 * A thread's socket remembers the last event it gave out and asks for what follows. Commands are kept until the server
 * answers them and are sent again with the same id, which the server honours once.
 *
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Command} Command
 * @typedef {"connecting" | "live" | "reconnecting" | "offline" | "closed"} Link
 */

const BACKOFF_MS = [250, 600, 1500, 3000, 6000, 10000];
const BACKOFF_BUSY_MS = 15000;
const HEARTBEAT_SECONDS = 20;
const RECEIVED_BYTES = 64 * 1024;
const RECEIVED_MS = 500;

/** How long to wait before an attempt: full jitter above half of the step, so that tabs do not come back in step.
 * @param {number} attempt counted from 0 @param {number} [random] from 0 to 1 */
export function backoffMs(attempt, random = Math.random()) {
  const step = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)];
  return step * (0.5 + random / 2);
}

/** What a close code asks of the client.
 * @param {number} code @returns {"sign_in" | "gone" | "stop" | "wait" | "reconnect"} */
export function afterClose(code) {
  if (code === 4401) return "sign_in";
  if (code === 4404) return "gone";
  if (code === 4400) return "stop";
  if (code === 4429) return "wait";
  return "reconnect";
}

/** A socket that stays open: `frame` events carry frames, `link` events its state, `end` why it will not come back. */
export class Socket extends EventTarget {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {Link} */ #link = "connecting";
  #attempt = 0;
  #heardAt = 0;
  #retry = 0;
  #probe = 0;
  heartbeatSeconds = HEARTBEAT_SECONDS;

  /** The address to connect to, asked anew each time. @returns {string} */
  address() {
    throw new TypeError("A socket names its address.");
  }

  get link() {
    return this.#link;
  }

  open() {
    window.addEventListener("online", this.#now);
    window.addEventListener("offline", this.#lost);
    document.addEventListener("visibilitychange", this.#now);
    this.#connect();
    return this;
  }

  close() {
    window.removeEventListener("online", this.#now);
    window.removeEventListener("offline", this.#lost);
    document.removeEventListener("visibilitychange", this.#now);
    this.#drop();
    this.#say("closed");
  }

  /** @param {object} frame @returns {boolean} whether it went out */
  write(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** @param {Frame} frame @param {number} size in characters */
  receive(frame, size) { // eslint-disable-line no-unused-vars -- for those who count
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  /** The first frame came: the link is good. */
  live() {
    this.#attempt = 0;
    this.#say("live");
  }

  #connect() {
    this.#drop();
    if (!navigator.onLine) return this.#say("offline");
    this.#say(this.#link === "connecting" ? "connecting" : "reconnecting");
    const url = new URL(this.address(), location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#heardAt = performance.now();
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      this.#heardAt = performance.now();
      const frame = JSON.parse(data);
      if (frame.type === "hello" && frame.heartbeat_seconds) this.heartbeatSeconds = frame.heartbeat_seconds;
      this.receive(frame, data.length);
    });
    socket.addEventListener("close", ({ code }) => socket === this.#socket && this.#closed(code));
    this.#watch();
  }

  /** @param {number} code */
  #closed(code) {
    this.#drop();
    const then = afterClose(code);
    if (then === "reconnect" || then === "wait") {
      const wait = then === "wait" ? BACKOFF_BUSY_MS : backoffMs(this.#attempt);
      this.#attempt += 1;
      this.#say(navigator.onLine ? "reconnecting" : "offline");
      this.#retry = setTimeout(() => this.#connect(), wait);
      return;
    }
    this.close();
    this.dispatchEvent(new CustomEvent("end", { detail: then }));
  }

  /** Asks a silent server for a sign of life, and gives the connection up at three heartbeats without one. */
  #watch() {
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => {
      const silent = (performance.now() - this.#heardAt) / 1000;
      if (silent > 3 * this.heartbeatSeconds) return this.#connect();
      if (silent > 2 * this.heartbeatSeconds) this.write({ type: "ping", id: crypto.randomUUID() });
      this.#watch();
    }, this.heartbeatSeconds * 500);
  }

  #drop() {
    clearTimeout(this.#retry);
    clearTimeout(this.#probe);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #now = () => {
    if (document.hidden || this.#link === "live" || this.#socket?.readyState === WebSocket.CONNECTING) return;
    this.#attempt = 0;
    this.#connect();
  };

  #lost = () => {
    this.#drop();
    this.#say("offline");
  };

  /** @param {Link} link */
  #say(link) {
    if (link === this.#link) return;
    this.#link = link;
    this.dispatchEvent(new CustomEvent("link", { detail: link }));
  }
}

/** The socket of one thread: gapless frames in, durable commands out. */
export class ThreadSocket extends Socket {
  #threadId;
  #seq;
  #told = 0;
  #bytes = 0;
  #timer = 0;
  /** @type {Outbox} */ #outbox;

  /** @param {string} threadId @param {number} seq the last event that the page holds, 0 for none */
  constructor(threadId, seq) {
    super();
    this.#threadId = threadId;
    this.#seq = seq;
    this.#outbox = new Outbox(threadId);
  }

  address() {
    return `/ws/threads/${this.#threadId}/${this.#seq ? `?after=${this.#seq}` : ""}`;
  }

  /** Commands without an answer yet, oldest first. */
  get pending() {
    return this.#outbox.commands;
  }

  /** Keeps the command until it is answered, and sends it as soon as there is a connection.
   * @param {string} type @param {Record<string, unknown>} fields @returns {Command} */
  command(type, fields = {}) {
    const command = { type, id: crypto.randomUUID(), ...fields };
    this.#outbox.keep(command);
    if (this.link === "live") this.write(command);
    return command;
  }

  /** @param {Frame} frame @param {number} size */
  receive(frame, size) {
    if (frame.type === "ack" || frame.type === "error") this.#outbox.drop(frame.id);
    if (frame.type === "snapshot") this.#seq = frame.seq ?? 0;
    else if (frame.seq && frame.type !== "hello" && frame.type !== "caught_up") {
      this.#seq = Math.max(this.#seq, frame.seq);
    }
    super.receive(frame, size);
    this.#count(size);
    if (frame.type === "caught_up") {
      this.live();
      for (const command of this.#outbox.commands) this.write(command);
    }
  }

  close() {
    clearTimeout(this.#timer);
    super.close();
  }

  /** Flow control: what is not reported as received counts against this socket on the server. @param {number} size */
  #count(size) {
    this.#bytes += size;
    if (this.#bytes >= RECEIVED_BYTES) return this.#tell();
    this.#timer ||= setTimeout(() => this.#tell(), RECEIVED_MS);
  }

  #tell() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#bytes = 0;
    if (this.#seq === this.#told) return;
    if (this.write({ type: "received", seq: this.#seq })) this.#told = this.#seq;
  }
}

/** The feed of the person's threads, for the list. */
export class ThreadsSocket extends Socket {
  address() {
    return "/ws/threads/";
  }

  /** @param {Frame} frame @param {number} size */
  receive(frame, size) {
    super.receive(frame, size);
    if (frame.type === "threads") this.live();
  }
}

/** A thread's unanswered commands, kept for the tab so that a reload does not lose them. */
class Outbox {
  #key;
  /** @type {Command[]} */ commands;

  /** @param {string} threadId */
  constructor(threadId) {
    this.#key = `backdrop:outbox:${threadId}`;
    this.commands = JSON.parse(sessionStorage.getItem(this.#key) ?? "[]");
  }

  /** @param {Command} command */
  keep(command) {
    this.#set([...this.commands, command]);
  }

  /** @param {string} id */
  drop(id) {
    if (this.commands.some((one) => one.id === id)) this.#set(this.commands.filter((one) => one.id !== id));
  }

  /** @param {Command[]} commands */
  #set(commands) {
    this.commands = commands;
    if (commands.length) sessionStorage.setItem(this.#key, JSON.stringify(commands));
    else sessionStorage.removeItem(this.#key);
  }
}

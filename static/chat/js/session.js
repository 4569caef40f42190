/**
 * One open thread: its state, its socket, and the messages on their way. It draws nothing.
 *
 * Events: `change` (the state or what is on its way), `frame` (each frame, after it was applied), `link`, `end`,
 * `refused` (the server refused a command; detail has its type and message).
 *
 * @typedef {import("chat/types.js").Frame} Frame
 * @typedef {import("chat/types.js").Picture} Picture
 * @typedef {{id: string, text: string, attachments: Picture[], messageId: string | null, error: string}} Pending
 */
import { get } from "chat/api.js";
import { ThreadSocket } from "chat/socket.js";
import { apply, empty, message, prepend } from "chat/store.js";

const PAGE = 30;

export class ThreadSession extends EventTarget {
  /** @type {readonly Pending[]} */ pending = [];
  /** @type {Map<string, string>} type of each command on its way */ #asked = new Map();
  #socket;
  #loading = false;

  /** @param {string} threadId @param {import("chat/store.js").State} [state] what an earlier session held */
  constructor(threadId, state = empty) {
    super();
    this.threadId = threadId;
    this.state = state;
    this.#socket = new ThreadSocket(threadId, state.seq);
    for (const command of this.#socket.pending) {
      this.#asked.set(command.id, command.type);
      if (command.type === "send_message") this.#expect(command.id, String(command.text), []);
    }
    this.#socket.addEventListener("frame", (event) => this.#take(/** @type {CustomEvent<Frame>} */ (event).detail));
    for (const type of ["link", "end"]) {
      this.#socket.addEventListener(type, (event) =>
        this.dispatchEvent(new CustomEvent(type, { detail: /** @type {CustomEvent} */ (event).detail })));
    }
  }

  get link() {
    return this.#socket.link;
  }

  open() {
    this.#socket.open();
    return this;
  }

  close() {
    this.#socket.close();
  }

  /** @param {string} text @param {Picture[]} attachments */
  send(text, attachments = []) {
    const ids = attachments.map((picture) => picture.id);
    const id = this.command("send_message", { text, ...(ids.length ? { attachments: ids } : {}) });
    this.#expect(id, text, attachments);
    this.#changed();
  }

  /** @param {string} type @param {Record<string, unknown>} [fields] @returns {string} the command's id */
  command(type, fields = {}) {
    const { id } = this.#socket.command(type, fields);
    this.#asked.set(id, type);
    return id;
  }

  /** Takes a refused message off the page. @param {string} id @returns {Pending | undefined} */
  withdraw(id) {
    const one = this.pending.find((entry) => entry.id === id);
    this.pending = this.pending.filter((entry) => entry.id !== id);
    this.#changed();
    return one;
  }

  /** Fetches the page before the oldest message. @returns {Promise<void>} */
  async loadOlder() {
    const [first] = this.state.path;
    if (this.#loading || !this.state.hasMore || !first) return;
    this.#loading = true;
    try {
      const page = await get(`/threads/${this.threadId}/messages?before=${first}&limit=${PAGE}`);
      if (this.state.path[0] === first) this.state = prepend(this.state, page);
      this.#changed();
    } finally {
      this.#loading = false;
    }
  }

  /** @param {Frame} frame */
  #take(frame) {
    const before = this.state;
    this.state = apply(before, frame);
    if (frame.type === "ack") this.#acknowledged(frame);
    if (frame.type === "error") this.#refused(frame);
    if (frame.type === "message_created" && frame.message.role === "user") this.#arrived(frame.message.text);
    if (this.pending.length) this.#settle();
    if (this.state !== before) {
      this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
      this.#changed();
    }
  }

  /** @param {string} id @param {string} text @param {Picture[]} attachments */
  #expect(id, text, attachments) {
    this.pending = [...this.pending, { id, text, attachments, messageId: null, error: "" }];
  }

  /** @param {Frame} frame */
  #acknowledged(frame) {
    this.#asked.delete(frame.id);
    this.pending = this.pending.map((one) => (one.id === frame.id ? { ...one, messageId: frame.message_id } : one));
  }

  /** @param {Frame} frame */
  #refused(frame) {
    const type = this.#asked.get(frame.id);
    this.#asked.delete(frame.id);
    if (type === "send_message") {
      this.pending = this.pending.map((one) => (one.id === frame.id ? { ...one, error: frame.message } : one));
      this.#changed();
    } else if (type && frame.code !== "nothing_to_stop") {
      this.dispatchEvent(new CustomEvent("refused", { detail: { type, message: frame.message } }));
    }
  }

  /** The message's event may overtake its acknowledgement: the words tell which one it is. @param {string} text */
  #arrived(text) {
    const at = this.pending.findIndex((one) => !one.messageId && !one.error && one.text === text);
    if (at >= 0) this.pending = this.pending.toSpliced(at, 1);
  }

  #settle() {
    const open = this.pending.filter((one) => !one.messageId || !message(this.state, one.messageId));
    if (open.length === this.pending.length) return;
    this.pending = open;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

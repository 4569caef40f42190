/**
 * <thread-view>: the open thread, from its title to its composer.
 *
 * Frames change the session's state at once; the page is drawn at most once per animation frame, and only messages
 * that differ are touched.
 *
 * Events: `thread-opened` (detail: the id, or null for a new thread).
 *
 * @typedef {import("chat/types.js").Frame} Frame
 * @typedef {import("chat/types.js").Picture} Picture
 * @typedef {import("chat/types.js").Background} Background
 * @typedef {import("chat/store.js").State} State
 * @typedef {import("chat/elements/composer.js").ChatComposer} ChatComposer
 */
import { patch, post } from "chat/api.js";
import { act, announce, arrange, clone, mark, ref, say } from "chat/dom.js";
import { ChatMessage } from "chat/elements/message.js";
import { room } from "chat/elements/room.js";
import { page } from "chat/page.js";
import { Scroller } from "chat/scroller.js";
import { ThreadSession } from "chat/session.js";
import { empty, message } from "chat/store.js";

const KEPT_STATES = 8;
const NEW_TITLE = "New thread";

export class ThreadView extends HTMLElement {
  /** @type {ThreadSession | null} */ #session = null;
  /** @type {Map<string, State>} */ #kept = new Map();
  /** @type {Map<string, ChatMessage>} */ #messages = new Map();
  /** @type {Map<string, HTMLElement>} */ #sending = new Map();
  /** @type {Scroller} */ #scroller;
  /** @type {ChatComposer} */ #composer;
  /** @type {Background | null} */ #chosen = null;
  #frame = 0;
  #ended = "";
  #off = new AbortController();

  connectedCallback() {
    this.#off = new AbortController();
    const { signal } = this.#off;
    this.#composer = ref(this, "composer");
    this.#scroller = new Scroller(ref(this, "scroller"), ref(this, "newest"), () => void this.#older());
    const on = (/** @type {EventTarget} */ target, /** @type {string} */ type, /** @type {(detail: any) => void} */ then) =>
      target.addEventListener(type, (event) => then(/** @type {CustomEvent} */ (event).detail), { signal });
    on(this, "send", ({ text, attachments }) => void this.#send(text, attachments));
    on(this, "stop", () => this.#session?.command("stop"));
    on(this, "command", ({ type, ...fields }) => this.#session?.command(type, fields));
    on(this, "another", () => void this.#send("Another like it", []));
    on(document, "use-as-backdrop", (picture) => void this.use(backdropOf(picture)));
    act(this, {
      suggest: (chip) => this.#composer.fill(chip.textContent?.trim() ?? ""),
      resend: (button) => this.#again(button),
    }, signal);
  }

  disconnectedCallback() {
    this.#off.abort();
    this.#leave();
  }

  get threadId() {
    return this.#session?.threadId ?? null;
  }

  get thread() {
    return this.#session?.state.thread ?? null;
  }

  /** Shows a thread, or an empty page for a new one. @param {string | null} threadId */
  open(threadId) {
    if (threadId === this.threadId && threadId) return;
    this.#leave();
    this.#chosen = null;
    if (threadId) this.#join(threadId);
    this.#composer.open(threadId);
    this.#scroller.stick();
    this.#draw();
    this.dispatchEvent(new CustomEvent("thread-opened", { bubbles: true, detail: threadId }));
  }

  /** Makes something this thread's background. @param {Background | null} background */
  async use(background) {
    if (!this.#session) {
      this.#chosen = background;
      return room()?.show(background);
    }
    const wish = background?.kind === "image" ? { kind: "image", image_id: background.image_id } : background;
    await this.#try(patch(`/threads/${this.threadId}`, { background: wish }));
  }

  /** @param {string} title */
  async rename(title) {
    if (this.threadId) await this.#try(patch(`/threads/${this.threadId}`, { title }));
  }

  /** @param {string} threadId */
  #join(threadId) {
    const session = new ThreadSession(threadId, this.#kept.get(threadId) ?? empty);
    this.#session = session;
    this.#ended = "";
    session.addEventListener("change", () => this.#plan());
    session.addEventListener("link", () => this.#plan());
    session.addEventListener("frame", (event) => this.#hear(/** @type {CustomEvent<Frame>} */ (event).detail));
    session.addEventListener("refused", (event) => this.#composer.complain(/** @type {CustomEvent} */ (event).detail.message));
    session.addEventListener("end", (event) => {
      this.#ended = /** @type {CustomEvent} */ (event).detail;
      if (this.#ended === "sign_in") location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`);
      this.#plan();
    });
    session.open();
  }

  #leave() {
    const session = this.#session;
    this.#session = null;
    this.#ended = "";
    this.#messages.clear();
    this.#sending.clear();
    ref(this, "list").replaceChildren();
    if (!session) return;
    session.close();
    this.#kept.delete(session.threadId);
    if (session.state.ready) this.#kept.set(session.threadId, session.state);
    for (const id of [...this.#kept.keys()].slice(0, -KEPT_STATES)) this.#kept.delete(id);
  }

  /** @param {string} text @param {Picture[]} attachments */
  async #send(text, attachments) {
    if (!this.#session) {
      const thread = await this.#try(post("/threads", {}));
      if (!thread) return this.#composer.fill(text, attachments);
      this.#join(thread.id);
      this.#composer.open(thread.id);
      if (this.#chosen) void this.use(this.#chosen);
      history.replaceState(null, "", `/threads/${thread.id}/`);
      this.dispatchEvent(new CustomEvent("thread-opened", { bubbles: true, detail: thread.id }));
    }
    this.#session?.send(text, attachments);
    this.#scroller.stick();
  }

  /** A refused message goes back to the composer. @param {HTMLElement} button */
  #again(button) {
    const entry = this.#session?.withdraw(button.closest("li")?.dataset.id ?? "");
    if (entry) this.#composer.fill(entry.text, entry.attachments);
  }

  async #older() {
    const session = this.#session;
    if (!session?.state.hasMore) return;
    ref(this, "older").hidden = false;
    await this.#try(session.loadOlder());
    this.#scroller.hold(() => {
      ref(this, "older").hidden = true;
      this.#draw();
    });
  }

  /** @template T @param {Promise<T>} promise @returns {Promise<T | undefined>} */
  async #try(promise) {
    try {
      return await promise;
    } catch (error) {
      this.#composer.complain(/** @type {Error} */ (error).message);
      return undefined;
    }
  }

  /** What a listener wants to know: results, not tokens. @param {Frame} frame */
  #hear(frame) {
    if (frame.type === "message_completed" && frame.message.role === "assistant") {
      const { text } = frame.message;
      announce(`Backdrop: ${text.length > 600 ? `${text.slice(0, 600)}…` : text}`);
    }
    if (frame.type === "image_ready") announce(`Picture ready: ${frame.prompt}`);
    if (frame.type === "run_failed") announce(frame.run.error?.message ?? "The answer failed.");
  }

  #plan() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const session = this.#session;
    const state = session?.state ?? empty;
    const pending = session?.pending ?? [];
    const known = state.thread ?? (page.thread?.id === this.threadId ? page.thread : null);
    const title = known?.title || NEW_TITLE;
    say(ref(this, "title"), title);
    document.title = session ? `${title} · Backdrop` : "Backdrop";
    if (!session) void room()?.show(this.#chosen);
    else if (known) void room()?.show(known.background);
    arrange(ref(this, "list"), [...this.#lines(state), ...pending.map((one) => this.#line(one))]);
    const blank = !session || (state.ready && !state.path.length && !state.queued.length && !pending.length);
    ref(this, "empty").hidden = !blank || Boolean(this.#ended);
    ref(this, "gone").hidden = this.#ended !== "gone" && this.#ended !== "stop";
    ref(this, "loading").hidden = !session || state.ready || Boolean(this.#ended);
    mark(this, "data-ended", this.#ended || null);
    this.#composer.follow(state, session?.link ?? "live", pending.length > 0);
    this.#scroller.settle();
  }

  /** The shown messages, drawn. @param {State} state @returns {HTMLElement[]} */
  #lines(state) {
    const shown = [...state.path, ...state.queued].flatMap((id) => message(state, id) ?? []);
    const answered = new Set(shown.flatMap((one) => (one.role === "assistant" && one.run_id) || []));
    return shown.map((one) => {
      let element = this.#messages.get(one.id);
      if (!element) this.#messages.set(one.id, element = new ChatMessage());
      const run = one.run_id ? state.runs[one.run_id] : undefined;
      element.update(one, one.role === "user" && run && answered.has(run.id) ? undefined : run);
      return element;
    });
  }

  /** A message on its way. @param {import("chat/session.js").Pending} entry */
  #line(entry) {
    let element = this.#sending.get(entry.id);
    if (!element) {
      element = clone("message-sending");
      element.dataset.id = entry.id;
      ref(element, "text").textContent = entry.text || "A picture";
      this.#sending.set(entry.id, element);
    }
    const waiting = this.#session?.link === "live" ? "Sending" : "Waits for the connection";
    say(ref(element, "state"), entry.error ? `Not sent. ${entry.error}` : waiting);
    ref(element, "again").hidden = !entry.error;
    element.classList.toggle("bad", Boolean(entry.error));
    return element;
  }
}

/** @param {Picture} picture @returns {Background} */
const backdropOf = (picture) => ({ kind: "image", image_id: picture.id, url: picture.url, accent: picture.accent });

customElements.define("thread-view", ThreadView);

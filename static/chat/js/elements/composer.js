/**
 * <chat-composer>: where a message is written. Drafts are kept per thread.
 *
 * Events: `send` (detail: text, attachments), `stop`.
 *
 * @typedef {import("chat/types.js").Picture} Picture
 * @typedef {import("chat/store.js").State} State
 */
import { post } from "chat/api.js";
import { act, arrange, clone, ref, say } from "chat/dom.js";
import { page } from "chat/page.js";
import { message, unfinished } from "chat/store.js";
import { duration, since, tick } from "chat/time.js";
import { title } from "chat/tools.js";

const LIMIT_SHOWN_FROM = 0.9;
const LINK_WORDS = /** @type {Record<string, string>} */ ({
  reconnecting: "Connection lost. Reconnecting…",
  offline: "You are offline. What you send goes out when you are back.",
});

export class ChatComposer extends HTMLElement {
  /** @type {HTMLTextAreaElement} */ #field;
  #key = "";
  /** @type {{id: string, name: string, url: string, picture: Picture | null, element: HTMLElement}[]} */ #files = [];
  /** @type {State | null} */ #state = null;
  /** @type {(() => void) | null} */ #still = null;
  #link = "live";
  #busy = false;
  #complaint = "";

  connectedCallback() {
    this.#field = ref(this, "field");
    this.#field.addEventListener("input", () => this.#typed());
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#send();
    });
    ref(this, "form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    });
    act(this, {
      attach: () => ref(this, "file").click(),
      stop: () => this.dispatchEvent(new CustomEvent("stop", { bubbles: true })),
      detach: (button) => this.#detach(button.closest("li")?.dataset.id ?? ""),
    });
    ref(this, "file").addEventListener("change", (/** @type {Event} */ event) => {
      const input = /** @type {HTMLInputElement} */ (event.target);
      this.#attach([...input.files ?? []]);
      input.value = "";
    });
    this.#field.addEventListener("paste", (event) => this.#take(event, event.clipboardData));
    const stage = this.closest("main") ?? this;
    stage.addEventListener("dragover", (event) => event.preventDefault());
    stage.addEventListener("drop", (event) => this.#take(event, /** @type {DragEvent} */ (event).dataTransfer));
  }

  disconnectedCallback() {
    this.#still?.();
  }

  /** Another thread: its draft comes back. @param {string | null} threadId */
  open(threadId) {
    const early = this.#key ? "" : this.#field.value; // typed while the page was still loading
    this.#key = `backdrop:draft:${threadId ?? "new"}`;
    this.#field.value = early || (localStorage.getItem(this.#key) ?? "");
    this.#files = [];
    this.#complaint = "";
    this.#typed();
    if (matchMedia("(pointer: fine)").matches) this.#field.focus();
  }

  /** @param {string} text @param {Picture[]} [attachments] */
  fill(text, attachments = []) {
    this.#field.value = text;
    for (const picture of attachments) this.#show(picture.id, picture.prompt, picture.thumbnail_url, picture);
    this.#typed();
    this.#field.focus();
  }

  /** Says what went wrong, until the next key. @param {string} words */
  complain(words) {
    this.#complaint = words;
    this.#draw();
  }

  /** @param {State} state @param {string} link @param {boolean} sending */
  follow(state, link, sending) {
    this.#state = state;
    this.#link = link;
    this.#busy = unfinished(state).length > 0;
    this.toggleAttribute("data-sending", sending);
    const ticking = this.#busy;
    if (ticking && !this.#still) this.#still = tick(() => this.#drawStatus());
    if (!ticking) {
      this.#still?.();
      this.#still = null;
    }
    this.#draw();
  }

  #typed() {
    this.#complaint = "";
    const { value } = this.#field;
    if (value) localStorage.setItem(this.#key, value);
    else localStorage.removeItem(this.#key);
    this.#field.style.blockSize = "auto";
    this.#field.style.blockSize = `${this.#field.scrollHeight}px`;
    this.#draw();
  }

  #send() {
    const text = this.#field.value.trim();
    const waiting = this.#files.some((file) => !file.picture);
    if ((!text && !this.#files.length) || waiting || [...text].length > page.limits.text_max) return;
    const attachments = this.#files.flatMap((file) => file.picture ?? []);
    this.#field.value = "";
    this.#files = [];
    this.#typed();
    this.dispatchEvent(new CustomEvent("send", { bubbles: true, detail: { text, attachments } }));
  }

  #draw() {
    const { value } = this.#field;
    const length = value.length > page.limits.text_max / 2 ? [...value].length : value.length;
    const near = length > page.limits.text_max * LIMIT_SHOWN_FROM;
    const over = length > page.limits.text_max;
    const count = ref(this, "count");
    count.hidden = !near;
    say(count, `${length.toLocaleString()} / ${page.limits.text_max.toLocaleString()}`);
    count.classList.toggle("bad", over);
    const something = Boolean(value.trim() || this.#files.length);
    const [stop, send] = [ref(this, "stop"), ref(this, "send")];
    const focused = [stop, send].find((one) => one === document.activeElement);
    stop.hidden = !this.#busy;
    send.hidden = this.#busy && !something;
    send.disabled = !something || over || this.#files.some((file) => !file.picture);
    if (focused?.hidden || focused?.disabled) this.#field.focus(); // a button that goes leaves the focus to the field
    const files = ref(this, "files");
    files.hidden = !this.#files.length;
    arrange(files, this.#files.map((file) => file.element));
    const hint = ref(this, "hint");
    const words = this.#complaint || LINK_WORDS[this.#link] || page.model.notice || "";
    hint.hidden = !words;
    say(ref(hint, "words"), words);
    hint.dataset.kind = this.#complaint ? "bad" : LINK_WORDS[this.#link] ? this.#link : "notice";
    this.#drawStatus();
  }

  /** What the agent does right now, in a word or two. */
  #drawStatus() {
    const status = ref(this, "status");
    const state = this.#state;
    const run = state ? unfinished(state)[0] : undefined;
    if (!state || !run) return say(status, "");
    const answer = Object.values(state.live).find((one) => one.run_id === run.id);
    const call = answer?.tool_calls.find((one) => one.status === "running");
    const doing = call ? title(call) : answer?.text ? "Writing" : "Thinking";
    if (run.status === "queued") return say(status, "Waiting to start");
    if (run.status === "interrupted") return say(status, "Waiting for you");
    const asked = run.message_id ? undefined : state.path.at(-1);
    const begun = run.started_at ?? (asked && message(state, asked)?.created_at) ?? run.created_at;
    return say(status, `${doing} · ${duration(since(begun))}`);
  }

  /** Pictures from the clipboard or dropped on the page. @param {Event} event @param {DataTransfer | null} data */
  #take(event, data) {
    const files = [...data?.files ?? []].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    this.#attach(files);
  }

  /** @param {File[]} files */
  #attach(files) {
    const { images_max: most, upload_max_bytes: bytes } = page.limits;
    for (const file of files) {
      if (this.#files.length >= most) return this.complain(`A message can carry ${most} pictures.`);
      if (file.size > bytes) {
        this.complain(`${file.name} is larger than ${Math.round(bytes / 1024 / 1024)} MB.`);
        continue;
      }
      const id = crypto.randomUUID();
      this.#show(id, file.name, URL.createObjectURL(file), null);
      void this.#upload(id, file);
    }
    this.#draw();
  }

  /** @param {string} id @param {File} file */
  async #upload(id, file) {
    const form = new FormData();
    form.append("file", file);
    try {
      const picture = await post("/images", form);
      const entry = this.#files.find((one) => one.id === id);
      if (!entry) return;
      entry.picture = picture;
      delete entry.element.dataset.busy;
      this.#draw();
    } catch (error) {
      this.#detach(id);
      this.complain(/** @type {Error} */ (error).message);
    }
  }

  /** @param {string} id @param {string} name @param {string} url @param {Picture | null} picture */
  #show(id, name, url, picture) {
    const element = clone("attachment");
    element.dataset.id = id;
    if (!picture) element.dataset.busy = "";
    ref(element, "image").src = url;
    ref(element, "image").alt = name;
    ref(element, "remove").setAttribute("aria-label", `Remove ${name}`);
    this.#files = [...this.#files, { id, name, url, picture, element }];
  }

  /** @param {string} id */
  #detach(id) {
    const entry = this.#files.find((one) => one.id === id);
    if (entry?.url.startsWith("blob:")) URL.revokeObjectURL(entry.url);
    this.#files = this.#files.filter((one) => one.id !== id);
    this.#draw();
    this.#field.focus();
  }
}

customElements.define("chat-composer", ChatComposer);

/**
 * <chat-message>: one message, of the person or of the agent. `update` draws it anew where it differs.
 *
 * @typedef {import("chat/types.js").Message} Message
 * @typedef {import("chat/types.js").Run} Run
 */
import { act, arrange, clone, copy, mark, ref, say } from "chat/dom.js";
import { ToolCard } from "chat/elements/tool-card.js";
import { thumbnail } from "chat/elements/lightbox.js";
import { Prose } from "chat/markdown.js";
import { parts, recoveryLine, stepsLine } from "chat/parts.js";
import { since, duration, tick } from "chat/time.js";
import { asked, title } from "chat/tools.js";

const WAITING = new Set(["queued", "running"]);
const SILENT_MS = 20_000;

export class ChatMessage extends HTMLElement {
  /** @type {Message | null} */ message = null;
  /** @type {Run | undefined} */ run;
  /** @type {Map<string, HTMLElement>} */ #drawn = new Map();
  /** @type {WeakMap<HTMLElement, Prose>} */ #prose = new WeakMap();
  /** @type {(() => void) | null} */ #still = null;
  #listening = 0;
  #silent = false;

  disconnectedCallback() {
    this.#tick(false);
    clearTimeout(this.#listening);
  }

  /** @param {Message} message @param {Run | undefined} run the run that writes it, or that it started in vain */
  update(message, run) {
    if (message === this.message && run === this.run) return;
    if (!this.message) this.#build(message);
    this.message = message;
    this.run = run;
    this.dataset.status = message.status;
    this.#listen();
    if (message.role === "user") this.#drawMine(message);
    else this.#drawAnswer(message);
    this.#drawNote(message);
  }

  /** From now on it is heard when nothing comes: whatever is waited for, it is said that it takes long. */
  #listen() {
    clearTimeout(this.#listening);
    this.#silent = false;
    if (!this.run || !WAITING.has(this.run.status)) return;
    this.#listening = setTimeout(() => {
      this.#silent = true;
      if (this.message) this.#drawNote(this.message);
    }, SILENT_MS);
  }

  /** @param {Message} message */
  #build(message) {
    this.append(clone(message.role === "user" ? "message-mine" : "message-answer"));
    this.id = `message-${message.id}`;
    this.dataset.role = message.role;
    act(this, {
      "copy": (button) => void copy(button, this.message?.text ?? ""),
      "copy-code": (button) => void copy(button, button.closest("figure")?.querySelector("code")?.textContent ?? ""),
      "retry": () => this.#ask("retry", { run_id: this.run?.id }),
    });
  }

  /** @param {string} type @param {object} fields */
  #ask(type, fields) {
    this.dispatchEvent(new CustomEvent("command", { bubbles: true, detail: { type, ...fields } }));
  }

  /** @param {Message} message */
  #drawMine(message) {
    const bubble = ref(this, "text");
    say(bubble, message.text);
    bubble.hidden = !message.text;
    const strip = ref(this, "attachments");
    strip.hidden = !message.attachments.length;
    arrange(strip, message.attachments.map((picture) => this.#keyed(`image ${picture.id}`, () => thumbnail(picture))));
  }

  /** @param {Message} message */
  #drawAnswer(message) {
    const streaming = message.status === "streaming";
    const pieces = parts(message);
    const nodes = pieces.map((part, at) => {
      if (part.call) {
        const { call } = part;
        const card = /** @type {ToolCard} */ (this.#keyed(`call ${call.id}`, () => new ToolCard()));
        card.update(call, message.images.find((image) => image.tool_call_id === call.id) ?? null);
        return card;
      }
      const open = streaming && at === pieces.length - 1;
      const element = this.#keyed(`text ${part.start}`, () => {
        const made = document.createElement("div");
        made.className = "prose";
        this.#prose.set(made, new Prose(made));
        return made;
      });
      this.#prose.get(element)?.update(part.text, open);
      mark(element, "data-open", open);
      return element;
    });
    const calls = new Set(message.tool_calls.map((call) => call.id));
    const loose = message.images.filter((image) => !image.tool_call_id || !calls.has(image.tool_call_id));
    const figures = loose.map((image) => this.#keyed(`image ${image.id}`, () => thumbnail(image)));
    arrange(ref(this, "body"), [...nodes, ...figures]);
    ref(this, "acts").hidden = streaming || !message.text;
    this.#drawSteps(message);
  }

  /** The quiet line above an answer. @param {Message} message */
  #drawSteps(message) {
    const steps = ref(this, "steps");
    const line = stepsLine(message);
    const thinking = message.status === "streaming" && !message.text && !message.tool_calls.length;
    const opens = Boolean(message.reasoning || message.tool_calls.length);
    steps.hidden = !line && !thinking;
    steps.classList.toggle("plain", !opens);
    mark(ref(steps, "line"), "data-busy", thinking);
    this.#tick(thinking);
    if (!thinking) say(ref(steps, "line"), line);
    const reasoning = ref(steps, "reasoning");
    reasoning.hidden = !message.reasoning;
    say(reasoning, message.reasoning.trim());
    arrange(ref(steps, "list"), message.tool_calls.map((call) => {
      const item = this.#keyed(`step ${call.id}`, () => document.createElement("li"));
      say(item, [title(call), asked(call), call.duration_ms === null ? "" : duration(call.duration_ms)]
        .filter(Boolean).join(" · "));
      return item;
    }));
  }

  /** @param {boolean} on */
  #tick(on) {
    if (on === Boolean(this.#still)) return;
    this.#still?.();
    this.#still = null;
    if (!on) return;
    const line = ref(this, "line");
    const draw = () => say(line, `Thinking · ${duration(since(this.message?.created_at ?? null))}`);
    draw();
    this.#still = tick(draw);
  }

  /** What became of it, when that is not simply an answer. @param {Message} message */
  #drawNote(message) {
    const { run } = this;
    const note = ref(this, "note");
    const words = this.#note(message, run);
    note.hidden = !words;
    say(ref(note, "words"), words);
    const failed = message.status === "failed" || (message.role === "user" && run?.status === "failed");
    note.classList.toggle("bad", failed);
    mark(note, "data-busy", message.role === "user" && run?.status === "running");
    ref(note, "retry").hidden = !(failed && run?.status === "failed" && run.error?.retryable !== false);
  }

  /** @param {Message} message @param {Run | undefined} run */
  #note(message, run) {
    if (message.status === "queued") return "Queued. It is sent when the answer above is done.";
    if (message.status === "failed") return run?.error?.message ?? "This answer could not be finished.";
    if (message.status === "stopped") return "Stopped";
    if (message.status === "streaming" && run?.status === "interrupted") return "Waiting for you";
    if (this.#silent && message.status === "streaming") return "Nothing has come for a while. It goes on as soon as it can.";
    if (this.#silent && run?.status === "queued") return "Still waiting to start. It is kept, and begins as soon as it can.";
    if (message.status === "streaming" && run?.recovered) return recoveryLine(run);
    if (message.role === "assistant") return message.error?.message ?? "";
    if (!run) return "";
    return {
      queued: "Waiting to start", running: "Thinking", interrupted: "Waiting for you", completed: "",
      failed: run.error?.message ?? "This could not be answered.", stopped: "Stopped before an answer",
    }[run.status];
  }

  /** The element of that key, made at the first call. @param {string} key @param {() => HTMLElement} make */
  #keyed(key, make) {
    let element = this.#drawn.get(key);
    if (!element) {
      element = make();
      this.#drawn.set(key, element);
    }
    return element;
  }
}

customElements.define("chat-message", ChatMessage);

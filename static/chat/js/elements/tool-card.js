/**
 * <tool-card>: one call of a tool. What it does, how far it is, what came of it.
 *
 * The place of a picture is kept from the start, so the card does not move when the picture arrives; previews sharpen
 * in that place.
 *
 * @typedef {import("chat/types.js").ToolCall} ToolCall
 * @typedef {import("chat/types.js").Picture} Picture
 */
import { act, clone, mark, ref, say } from "chat/dom.js";
import { enlarge } from "chat/elements/lightbox.js";
import { duration, since, tick } from "chat/time.js";
import { asked, ratio, title } from "chat/tools.js";

const OWN_URL = /^(?:\/(?![/\\])|data:image\/(?:jpeg|png|webp);)/;
const BUSY = new Set(["running", "waiting"]);

export class ToolCard extends HTMLElement {
  /** @type {ToolCall | null} */ #call = null;
  /** @type {Picture | null} */ #picture = null;
  /** @type {(() => void) | null} */ #still = null;
  #shown = "";

  disconnectedCallback() {
    this.#tick(false);
  }

  connectedCallback() {
    if (this.#call) this.#tick(this.#call.status === "running");
  }

  /** @param {ToolCall} call @param {Picture | null} picture what it made, once it has */
  update(call, picture) {
    if (call === this.#call && picture === this.#picture) return;
    if (!this.#call) this.#build();
    this.#call = call;
    this.#picture = picture;
    this.dataset.status = call.status;
    say(ref(this, "title"), title(call));
    say(ref(this, "asked"), asked(call));
    mark(ref(this, "asked"), "title", asked(call));
    say(ref(this, "text"), call.status === "running" && !picture ? sentence(call.text) : "");
    say(ref(this, "error"), call.status === "failed" ? call.error ?? "It did not work." : "");
    ref(this, "error").hidden = call.status !== "failed";
    this.#drawProgress(call);
    this.#drawPicture(call, picture);
    this.#tick(call.status === "running");
    if (call.status !== "running") say(ref(this, "time"), call.duration_ms === null ? "" : duration(call.duration_ms));
  }

  #build() {
    this.append(clone("tool-card"));
    act(this, {
      enlarge: () => this.#picture && void enlarge(this.#picture),
      backdrop: () => this.#tell("use-as-backdrop"),
      another: () => this.#tell("another"),
    });
  }

  /** @param {string} type */
  #tell(type) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail: this.#picture }));
  }

  /** @param {ToolCall} call */
  #drawProgress(call) {
    const bar = ref(this, "bar");
    bar.hidden = call.status !== "running";
    mark(bar, "aria-valuenow", call.progress === null ? null : String(Math.round(call.progress * 100)));
    bar.style.setProperty("--progress", String(call.progress ?? 0));
    this.style.setProperty("--progress", String(call.progress ?? 0));
  }

  /** @param {ToolCall} call @param {Picture | null} picture */
  #drawPicture(call, picture) {
    const frame = ref(this, "frame");
    const shape = picture ? picture.width / picture.height : ratio(call);
    frame.hidden = !shape || (!picture && !BUSY.has(call.status));
    ref(this, "footer").hidden = frame.hidden;
    ref(this, "actions").hidden = !picture;
    frame.disabled = !picture;
    if (!shape) return;
    this.style.setProperty("--ratio", String(shape));
    this.toggleAttribute("data-tall", shape < 0.9);
    if (picture) {
      ref(this, "download").href = picture.url;
      mark(frame, "aria-label", `Enlarge: ${picture.prompt}`);
    }
    const url = picture ? picture.url : call.preview_url;
    if (url && url !== this.#shown && OWN_URL.test(url)) void this.#lay(url, picture);
  }

  /** Lays a sharper picture over what is there once it has loaded. @param {string} url @param {Picture | null} picture */
  async #lay(url, picture) {
    this.#shown = url;
    const image = new Image();
    image.src = url;
    image.alt = picture?.prompt ?? "";
    image.className = picture ? "done" : "preview";
    await image.decode().catch(() => null);
    if (this.#shown !== url) return; // a sharper one overtook it
    const frame = ref(this, "frame");
    const before = [...frame.children];
    frame.append(image);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches || !before.length;
    await image.animate({ opacity: [0, 1] }, { duration: still ? 0 : 420, easing: "ease-out" }).finished;
    before.forEach((one) => one.remove());
  }

  /** @param {boolean} on */
  #tick(on) {
    if (on === Boolean(this.#still)) return;
    this.#still?.();
    this.#still = null;
    if (!on) return;
    const time = ref(this, "time");
    this.#still = tick(() => say(time, duration(since(this.#call?.started_at ?? null))));
  }
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

customElements.define("tool-card", ToolCard);

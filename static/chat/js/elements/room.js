/**
 * <chat-room>: the picture, colour or gradient behind everything, and the accent that follows it.
 *
 * Two layers: the new one fades in over the old one once it has loaded, so the page never flashes.
 *
 * @typedef {import("chat/types.js").Background} Background
 * @typedef {import("chat/types.js").Accent} Accent
 */

const OWN_URL = /^\/(?![/\\])/;
const PLAIN = /^(?!.*(?:url|image|src)\s*\()/i; // a colour or gradient names no file

export class ChatRoom extends HTMLElement {
  #key = "";

  connectedCallback() {
    if (!this.firstElementChild) this.append(document.createElement("i"));
  }

  /** @param {Background | null} background */
  async show(background) {
    const key = background ? `${background.kind} ${background.kind === "image" ? background.url : background.value}` : "";
    if (key === this.#key) return;
    this.#key = key;
    const layer = document.createElement("i");
    if (background?.kind === "image" && OWN_URL.test(background.url)) {
      const picture = new Image();
      picture.src = background.url;
      picture.alt = "";
      const loaded = await picture.decode().then(() => true, () => false);
      if (this.#key !== key) return; // another one came while this one loaded
      if (loaded) layer.append(picture);
    } else if (background && background.kind !== "image" && PLAIN.test(background.value)) {
      layer.style.background = background.value;
    }
    this.#accent(background?.kind === "image" ? background.accent ?? null : null);
    this.dataset.kind = background?.kind ?? "none";
    const old = [...this.children];
    this.append(layer);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches || !old.length;
    await layer.animate({ opacity: [0, 1] }, { duration: still ? 0 : 900, easing: "ease-in-out" }).finished;
    old.forEach((one) => one.remove());
  }

  /** @param {Accent | null} accent */
  #accent(accent) {
    const { style } = document.documentElement;
    for (const theme of /** @type {const} */ (["light", "dark"])) {
      const name = `--accent-${theme}`;
      if (accent && CSS.supports("color", accent[theme])) style.setProperty(name, accent[theme]);
      else style.removeProperty(name);
    }
  }
}

customElements.define("chat-room", ChatRoom);

/** The page's room. @returns {ChatRoom | null} */
export const room = () => /** @type {ChatRoom | null} */ (document.querySelector("chat-room"));

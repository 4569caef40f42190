/**
 * <backdrop-panel>: what stands behind this thread, and how strongly this browser shows it.
 *
 * @typedef {import("chat/types.js").Picture} Picture
 */
import { get } from "chat/api.js";
import { act, arrange, clone, mark, ref } from "chat/dom.js";
import { settings } from "chat/settings.js";

const PLAIN = [
  ["Dusk", "gradient", "linear-gradient(165deg, oklch(34% .09 285), oklch(55% .15 350) 60%, oklch(80% .12 65))"],
  ["Lagoon", "gradient", "linear-gradient(165deg, oklch(36% .07 235), oklch(60% .1 200) 65%, oklch(86% .08 170))"],
  ["Meadow", "gradient", "linear-gradient(165deg, oklch(42% .08 150), oklch(66% .12 135) 60%, oklch(90% .1 110))"],
  ["Ember", "gradient", "linear-gradient(165deg, oklch(26% .06 20), oklch(48% .16 30) 60%, oklch(76% .15 60))"],
  ["Slate", "color", "oklch(42% .03 255)"],
  ["Sand", "color", "oklch(85% .04 80)"],
];

export class BackdropPanel extends HTMLElement {
  connectedCallback() {
    const plain = ref(this, "plain"); // not there on the account page, which has no thread
    if (plain) arrange(plain, PLAIN.map(([name, kind, value]) => {
      const swatch = clone("swatch");
      swatch.style.setProperty("--swatch", value);
      swatch.setAttribute("aria-label", name);
      swatch.title = name;
      swatch.addEventListener("click", () => this.#choose({ kind, value }));
      return swatch;
    }));
    act(this, {
      none: () => this.#choose(null),
      theme: (button) => {
        settings.theme = /** @type {import("chat/settings.js").Theme} */ (button.dataset.theme);
        this.#draw();
      },
    });
    ref(this, "dim").addEventListener("input", () => { settings.dim = Number(ref(this, "dim").value); });
    ref(this, "pictures").addEventListener("change", () => { settings.pictures = ref(this, "pictures").checked; });
    this.addEventListener("beforetoggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === "open") void this.#fetch();
    });
    this.#draw();
  }

  #draw() {
    ref(this, "dim").value = String(settings.dim);
    ref(this, "pictures").checked = settings.pictures;
    for (const button of this.querySelectorAll("[data-theme]")) {
      mark(button, "aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.theme === settings.theme));
    }
  }

  async #fetch() {
    this.#draw();
    const strip = ref(this, "recent");
    if (!strip) return;
    /** @type {{images: Picture[]}} */
    const { images } = await get("/images?limit=8");
    strip.hidden = !images.length;
    arrange(strip, images.map((picture) => {
      const swatch = clone("swatch");
      const image = new Image();
      image.src = picture.thumbnail_url;
      image.alt = "";
      swatch.append(image);
      swatch.setAttribute("aria-label", picture.prompt || "An uploaded picture");
      swatch.addEventListener("click", () => this.#choose({
        kind: "image", image_id: picture.id, url: picture.url, accent: picture.accent,
      }));
      return swatch;
    }));
  }

  /** @param {object | null} background */
  #choose(background) {
    this.dispatchEvent(new CustomEvent("choose-backdrop", { bubbles: true, detail: background }));
  }
}

customElements.define("backdrop-panel", BackdropPanel);

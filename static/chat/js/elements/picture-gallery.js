/**
 * <picture-gallery>: the person's own pictures, in columns of real proportions, the newest first.
 *
 * @typedef {import("chat/types.js").Picture} Picture
 */
import { get, patch, remove } from "chat/api.js";
import { arrange, clone, confirm, ref, report } from "chat/dom.js";
import { enlarge } from "chat/elements/lightbox.js";

const SEARCH_AFTER_MS = 180;
const ROW = 4; // px, as in gallery.css
const GAP = 16;

export class PictureGallery extends HTMLElement {
  /** @type {Picture[]} */ #pictures = [];
  /** @type {Map<string, HTMLElement>} */ #tiles = new Map();
  /** @type {string | null} */ #cursor = null;
  #query = "";
  #loading = false;
  #search = 0;
  #off = new AbortController();

  connectedCallback() {
    const { signal } = this.#off = new AbortController();
    const field = ref(this, "search");
    field.addEventListener("input", () => {
      clearTimeout(this.#search);
      this.#search = setTimeout(() => void this.#find(field.value.trim()), SEARCH_AFTER_MS);
    }, { signal });
    document.addEventListener("delete-picture", (event) => void this.#delete(/** @type {CustomEvent} */ (event).detail),
      { signal });
    document.addEventListener("use-as-backdrop", (event) => void this.#use(/** @type {CustomEvent} */ (event).detail),
      { signal });
    new ResizeObserver(() => this.#measure()).observe(ref(this, "wall"));
    new IntersectionObserver(([end]) => {
      if (end.isIntersecting && this.#cursor) void this.#load();
    }, { rootMargin: "600px" }).observe(ref(this, "end"));
    void this.#load();
  }

  disconnectedCallback() {
    this.#off.abort();
  }

  /** @param {string} query */
  async #find(query) {
    if (query === this.#query) return;
    this.#query = query;
    this.#cursor = null;
    this.#loading = false;
    await this.#load(true);
  }

  /** @param {boolean} [afresh] */
  async #load(afresh = false) {
    if (this.#loading) return;
    this.#loading = true;
    const query = this.#query;
    const after = this.#cursor ? `&cursor=${encodeURIComponent(this.#cursor)}` : "";
    const page = await get(`/images?q=${encodeURIComponent(query)}${after}`);
    if (query !== this.#query) return; // the person typed on
    this.#loading = false;
    this.#pictures = afresh ? page.images : [...this.#pictures, ...page.images];
    this.#cursor = page.cursor ?? null;
    this.#draw();
  }

  #draw() {
    arrange(ref(this, "wall"), this.#pictures.map((picture) => this.#tile(picture)));
    this.#measure();
    ref(this, "nothing").hidden = this.#pictures.length > 0 || !this.#query;
    ref(this, "empty").hidden = this.#pictures.length > 0 || Boolean(this.#query);
  }

  /** @param {Picture} picture */
  #tile(picture) {
    let tile = this.#tiles.get(picture.id);
    if (tile) return tile;
    tile = clone("gallery-tile");
    const image = ref(tile, "image");
    image.src = picture.thumbnail_url;
    image.alt = "";
    ref(tile, "prompt").textContent = picture.prompt || "An uploaded picture";
    tile.dataset.ratio = String(picture.width / picture.height);
    tile.addEventListener("click", () => void enlarge(picture));
    this.#tiles.set(picture.id, tile);
    return tile;
  }

  /** Gives each tile as many of the grid's thin rows as its picture is high: reading order stays, no gap opens. */
  #measure() {
    const wall = ref(this, "wall");
    const width = wall.firstElementChild?.clientWidth;
    if (!width) return;
    for (const tile of wall.children) {
      const rows = Math.round((width / Number(tile.dataset.ratio) + GAP) / ROW);
      tile.style.gridRowEnd = `span ${rows}`;
    }
  }

  /** @param {Picture} picture */
  async #delete(picture) {
    const yes = await confirm({
      title: "Delete this picture?", text: "It goes from its thread and from every backdrop too. This cannot be undone.",
      yes: "Delete",
    });
    if (!yes) return;
    try {
      await remove(`/images/${picture.id}`);
    } catch (error) {
      return report("The picture is still there", error);
    }
    const at = this.#pictures.findIndex((one) => one.id === picture.id);
    this.#pictures = this.#pictures.filter((one) => one.id !== picture.id);
    this.#draw();
    const next = this.#pictures[Math.min(at, this.#pictures.length - 1)];
    (next ? this.#tile(next) : ref(this, "search")).focus();
  }

  /** A picture becomes the backdrop of the thread it was made in. @param {Picture} picture */
  async #use(picture) {
    if (!picture.thread_id) return;
    try {
      await patch(`/threads/${picture.thread_id}`, { background: { kind: "image", image_id: picture.id } });
    } catch (error) {
      return report("The backdrop stays as it was", error);
    }
    return location.assign(`/threads/${picture.thread_id}/`);
  }
}

customElements.define("picture-gallery", PictureGallery);

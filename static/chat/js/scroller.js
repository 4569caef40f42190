/** Keeps a scroller at its end while the person is there, and offers the way back when not. */

const NEAR = 48;
const TOP = 240;

export class Scroller {
  #box;
  #chip;
  #stuck = true;
  #gliding = false; // on the way to the end by its own animation
  #height = 0;
  #top;

  /** @param {HTMLElement} box @param {HTMLElement} chip @param {() => void} onTop asks for what came before */
  constructor(box, chip, onTop) {
    this.#box = box;
    this.#chip = chip;
    this.#top = onTop;
    box.addEventListener("scrollend", () => {
      this.#gliding = false;
      this.settle();
    });
    for (const type of ["wheel", "touchmove"]) { // the person takes over
      box.addEventListener(type, () => { this.#gliding = false; }, { passive: true });
    }
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    chip.addEventListener("click", () => this.stick(true));
    const observer = new ResizeObserver(() => this.settle());
    observer.observe(box);
    for (const child of box.children) observer.observe(child);
  }

  /** Goes to the end and stays there. @param {boolean} [smooth] */
  stick(smooth = false) {
    this.#stuck = true;
    if (!smooth) return this.settle();
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still || scrollHeight - scrollTop > 3 * clientHeight) return this.settle();
    this.#gliding = true;
    this.#box.scrollTo({ top: scrollHeight, behavior: "smooth" });
    return this.#offer();
  }

  /** After the content changed: follow the end, or stay with what is being read. */
  settle() {
    const { scrollHeight } = this.#box;
    if (this.#stuck && !this.#gliding) this.#box.scrollTop = scrollHeight;
    this.#height = scrollHeight;
    this.#offer();
  }

  /** Draws what comes before all the rest; what is being read stays where it is. @param {() => void} draw */
  hold(draw) {
    const { scrollHeight, scrollTop } = this.#box;
    draw();
    if (!this.#stuck) this.#box.scrollTop = this.#box.scrollHeight - scrollHeight + scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    if (atEnd) this.#stuck = true;
    else if (!this.#gliding && scrollHeight === this.#height) this.#stuck = false; // the person moved it, not the content
    if (scrollTop < TOP && scrollHeight > clientHeight) this.#top();
    this.#offer();
  }

  #offer() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    this.#chip.hidden = this.#stuck || scrollHeight - scrollTop - clientHeight < NEAR * 3;
  }
}

/**
 * Formulas, drawn in place: KaTeX and its style sheet are fetched when the first one is whole.
 *
 * TeX comes from a model and is hostile like all of its text: nothing in it links, loads, defines or reaches far. What
 * cannot be drawn stays as it was written.
 */
import DOMPurify from "dompurify";

/** Definitions would let a short text become an endless one. */
const DEFINES = /\\(?:[egx]?def|(?:future)?let|(?:re)?newcommand|providecommand|global|long)(?![a-zA-Z])/;

/** What KaTeX makes: spans, a few drawn signs, and MathML with the TeX in it, which is what a screen reader reads. */
const MADE = {
  USE_PROFILES: { html: true, svg: true, mathMl: true },
  ADD_TAGS: ["semantics", "annotation"],
  FORBID_TAGS: ["a", "img", "image", "use", "style", "form", "input"],
};

/** @type {typeof import("katex") | null} */
let katex = null;
/** @type {Promise<void> | null} */
let loading = null;

/** Draws the formulas below an element that are whole and not drawn yet. @param {ParentNode} root */
export function drawFormulas(root) {
  const waiting = /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("tex-formula:not([open], [data-tex])"));
  if (!waiting.length) return;
  if (katex) waiting.forEach(draw);
  else void load().then(() => { if (katex) drawFormulas(root); });
}

/** Whether the formula that is drawn is the one that is to be drawn. @param {Node} drawn @param {Node} next */
export const isDrawn = (drawn, next) => drawn instanceof HTMLElement && next instanceof HTMLElement
  && drawn.localName === "tex-formula" && drawn.dataset.tex === next.textContent
  && drawn.hasAttribute("display") === next.hasAttribute("display");

/** Fetches what draws formulas. */
function load() {
  return loading ??= Promise.all([import("katex"), sheet()]).then(
    ([module]) => { katex = /** @type {any} */ (module.default); },
    () => { /* they stay as they were written */ },
  );
}

function sheet() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = import.meta.resolve("chat/formulas.css");
  document.head.append(link);
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", reject);
  });
}

/** @param {HTMLElement} element */
function draw(element) {
  const tex = element.textContent ?? "";
  element.dataset.tex = tex;
  const html = DEFINES.test(tex) ? null : markup(tex, element.hasAttribute("display"));
  if (html === null) return;
  // Styles that come as markup are forbidden on this site; set one by one they are not.
  const made = DOMPurify.sanitize(html.replaceAll(' style="', ' data-style="'), { ...MADE, RETURN_DOM_FRAGMENT: true });
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (made.querySelectorAll("[data-style]"))) {
    part.style.cssText = part.dataset.style ?? "";
    delete part.dataset.style;
  }
  for (const scroller of /** @type {NodeListOf<HTMLElement>} */ (made.querySelectorAll(".katex-display"))) scroller.tabIndex = 0;
  element.replaceChildren(made);
}

/** The formula as HTML, in which no text has a quotation mark, or null: it is no TeX, or too much of it.
 * @param {string} tex @param {boolean} display */
function markup(tex, display) {
  try {
    return katex?.renderToString(tex, { displayMode: display, strict: "ignore", trust: false, maxSize: 20 }) ?? null;
  } catch {
    return null;
  }
}

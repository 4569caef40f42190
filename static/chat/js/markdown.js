/**
 * Markdown to safe DOM, block by block.
 *
 * Model output is hostile until it is clean: whatever passes here can load nothing from elsewhere and run nothing.
 * Pictures that are not this site's own become links, links of the web are marked as external (links.js asks before
 * one opens), and every class, id and style that a text brings along is dropped.
 */
import DOMPurify from "dompurify";
import { Idiomorph } from "idiomorph";
import { Marked } from "marked";
import { clone, ref } from "chat/dom.js";
import { drawFormulas, isDrawn } from "chat/formulas.js";
import { paint, prepare } from "chat/highlight.js";
import { formulas } from "chat/tex.js";

const OWN_PICTURE = /^\/images\/[\w-]+\/(?:file|thumbnail)$/;
const LANGUAGE = /^language-[\w+#.-]+$/;

/** The parser of a text that still grows, or of a whole one. @param {boolean} growing */
const parserOf = (growing) => new Marked({
  gfm: true,
  extensions: formulas(growing),
  renderer: {
    heading({ tokens, depth }) { // the page has its own h1 and h2
      const level = Math.min(6, depth + 2);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
    html: ({ text }) => bare(text),
  },
});
const [ofGrowing, ofWhole] = [parserOf(true), parserOf(false)];

const ALLOWED = {
  ALLOWED_TAGS: [
    "a", "abbr", "b", "blockquote", "br", "code", "del", "details", "em", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "input", "kbd", "li", "mark", "ol", "p", "pre", "s", "strong", "sub", "summary", "sup", "table", "tbody", "td",
    "tex-formula", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: [
    "align", "alt", "checked", "class", "disabled", "display", "href", "open", "src", "start", "title", "type",
  ],
  ADD_URI_SAFE_ATTR: ["align", "checked", "disabled", "display", "open", "start", "type"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|\/(?![/\\])|#)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** A formula that is drawn already is left as it is. */
const MORPHING = {
  ignoreActive: true,
  callbacks: { beforeNodeMorphed: (/** @type {Node} */ held, /** @type {Node} */ next) => !isDrawn(held, next) },
};

const BARE_TAGS = /&lt;(\/?(?:b|br|del|details|em|i|kbd|mark|s|strong|sub|summary|sup))\s*\/?&gt;/gi;

/** HTML within Markdown: a few plain tags count, everything else is shown as the text it is. @param {string} html */
const bare = (html) => html.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
  .replaceAll(BARE_TAGS, "<$1>");

const purify = DOMPurify(window);
purify.addHook("afterSanitizeAttributes", (node) => {
  const element = /** @type {Element} */ (node);
  if (element.tagName !== "CODE" || !LANGUAGE.test(element.className)) element.removeAttribute("class");
  if (element.tagName === "INPUT") {
    element.setAttribute("type", "checkbox");
    element.setAttribute("disabled", "");
    element.setAttribute("aria-label", element.hasAttribute("checked") ? "Done" : "Open");
  }
  if (element.tagName === "A") external(/** @type {HTMLAnchorElement} */ (element));
  if (element.tagName === "IMG") picture(/** @type {HTMLImageElement} */ (element));
});

/** One text, drawn into an element and kept up to date as it grows. */
export class Prose {
  #root;
  #text = "";
  #settled = 0;
  /** @type {{raw: string, nodes: ChildNode[]}[]} */ #blocks = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
  }

  /** Draws the text. While it grows, only what follows its last settled block is parsed again.
   * @param {string} text @param {boolean} growing */
  update(text, growing) {
    text = text.replaceAll("\r\n", "\n"); // as the lexer does, which counts by it
    if (!growing || !text.startsWith(this.#text)) this.#settled = 0;
    this.#text = text;
    const kept = this.#settled; // blocks that nothing to come can change
    const settledAt = this.#blocks.slice(0, kept).reduce((sum, block) => sum + block.raw.length, 0);
    const marked = growing ? ofGrowing : ofWhole;
    const tokens = marked.lexer(text.slice(settledAt));
    tokens.forEach((token, at) => this.#draw(kept + at, token, growing && at === tokens.length - 1, tokens.links));
    for (const block of this.#blocks.splice(kept + tokens.length)) block.nodes.forEach((node) => node.remove());
    if (growing) this.#settled = kept + Math.max(0, settledCount(tokens));
  }

  /** @param {number} at @param {import("marked").Token} token @param {boolean} open @param {object} links */
  #draw(at, token, open, links) {
    const block = this.#blocks[at];
    const raw = token.raw;
    if (block?.raw === raw && !open) {
      settle(block.nodes);
      return;
    }
    const list = Object.assign([token], { links });
    const fragment = clean(ofWhole.parser(/** @type {any} */ (list)));
    dress(fragment);
    if (block && block.nodes.length === 1 && fragment.childNodes.length === 1) {
      const [node] = block.nodes;
      const next = /** @type {ChildNode} */ (fragment.firstChild);
      if (node.nodeName === next.nodeName) {
        Idiomorph.morph(node, next, MORPHING);
      } else {
        node.replaceWith(next);
        block.nodes = [next];
      }
      block.raw = raw;
    } else {
      const nodes = [...fragment.childNodes];
      const after = this.#blocks.slice(at + 1).find((later) => later.nodes.length)?.nodes[0] ?? null;
      block?.nodes.forEach((node) => node.remove());
      this.#root.insertBefore(fragment, after);
      this.#blocks[at] = { raw, nodes };
    }
    const { nodes } = this.#blocks[at];
    for (const node of nodes) if (node instanceof Element) drawFormulas(node);
    if (!open) settle(nodes);
  }
}

/** How many blocks no further text can change: all but the last that is more than blank lines.
 * @param {import("marked").Token[]} tokens */
function settledCount(tokens) {
  return tokens.findLastIndex((token) => token.type !== "space");
}

/** @param {string} html @returns {DocumentFragment} */
function clean(html) {
  const fragment = /** @type {DocumentFragment} */ (/** @type {unknown} */ (purify.sanitize(html, ALLOWED)));
  for (const child of [...fragment.childNodes]) {
    if (child.nodeType === Node.TEXT_NODE && !child.textContent?.trim()) child.remove();
  }
  return fragment;
}

/** Gives code blocks their head and tables their scroller. @param {DocumentFragment} fragment */
function dress(fragment) {
  for (const pre of fragment.querySelectorAll("pre")) {
    const figure = clone("code-block");
    const language = pre.firstElementChild?.className.replace("language-", "") ?? "";
    ref(figure, "language").textContent = language || "text";
    if (language) void prepare();
    pre.replaceWith(figure);
    figure.append(pre);
    pre.tabIndex = 0;
  }
  for (const table of fragment.querySelectorAll("table")) {
    const scroller = document.createElement("div");
    scroller.className = "table";
    scroller.tabIndex = 0;
    table.replaceWith(scroller);
    scroller.append(table);
  }
}

/** Colours the code of blocks that will not change any more. @param {ChildNode[]} nodes */
function settle(nodes) {
  for (const node of nodes) {
    if (!(node instanceof Element)) continue;
    for (const code of node.querySelectorAll("pre > code:not([data-painted])")) paint(/** @type {HTMLElement} */ (code));
  }
}

/** @param {HTMLAnchorElement} link */
function external(link) {
  const href = link.getAttribute("href") ?? "";
  if (!/^https?:/i.test(href)) return;
  if (!URL.canParse(href, location.href)) { // it leads nowhere
    link.removeAttribute("href");
  } else if (new URL(href, location.href).origin !== location.origin) {
    link.setAttribute("target", "_blank");
    link.setAttribute("rel", "noopener noreferrer");
    link.setAttribute("data-external", "");
  }
}

/** @param {HTMLImageElement} img */
function picture(img) {
  const source = img.getAttribute("src") ?? "";
  if (OWN_PICTURE.test(source)) {
    img.setAttribute("loading", "lazy");
    return;
  }
  const link = img.ownerDocument.createElement("a");
  link.textContent = [img.getAttribute("alt"), source].filter(Boolean).join(": ") || "picture";
  if (/^https?:/i.test(source)) link.setAttribute("href", source);
  external(link);
  img.replaceWith(link);
}

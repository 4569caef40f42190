/** Colours for code: the highlighter is fetched when the first block with a known language appears. */
import DOMPurify from "dompurify";

const LONGEST = 100_000;

/** @type {Promise<any> | null} */
let loading = null;

/** Fetches the highlighter ahead of its first use. */
export const prepare = () => loading ??= import("highlight.js");

/** Colours a `<code>` in place, once. @param {HTMLElement} code */
export async function paint(code) {
  const language = code.className.replace("language-", "");
  const text = code.textContent ?? "";
  code.dataset.painted = "";
  if (!language || text.length > LONGEST) return;
  const { default: hljs } = await prepare();
  if (!hljs.getLanguage(language) || code.textContent !== text) return;
  const { value } = hljs.highlight(text, { language, ignoreIllegals: true });
  code.replaceChildren(DOMPurify.sanitize(value, {
    ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true,
  }));
}

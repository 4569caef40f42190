/**
 * Where a text has formulas: an extension of marked for `\(…\)` and `$…$` in a line, `\[…\]` and `$$…$$` by themselves.
 *
 * A formula becomes `<tex-formula>` with its TeX as text; formulas.js draws it. A single dollar is money until what
 * follows is clearly TeX. At the end of a text that still grows, a formula by itself is one as soon as it has begun, so
 * that Markdown does not read its middle in the meantime; if its end never comes, the whole text is read without it.
 *
 * @typedef {{type: string, raw: string, tex: string, display: boolean, whole: boolean}} Formula
 */

/** The longest formula, in UTF-16 units: what is longer stays text. */
export const LONGEST = 2000;

/** @type {Record<string, {end: string, display: boolean}>} */
const PAIRS = {
  "\\(": { end: "\\)", display: false },
  "\\[": { end: "\\]", display: true },
  "$$": { end: "$$", display: true },
};
const BY_ITSELF = /^ {0,3}(?=\$\$|\\\[)/;
const BEGINS_BY_ITSELF = /\n {0,3}(?:\$\$|\\\[)/;
const BEGINS = /\$|\\[([]/;
const BLANK_LINE = /\n[ \t]*\n/;
const REST_OF_LINE = /^[ \t]*(?:\n|$)/;
const WITHIN_DOLLARS = /^\$((?:\\[^\n]|[^\\$\n])+)\$(?![\p{L}\d$])/u;
const BEHIND_A_NAME = /[\p{L}\d$]$/u;

/** The extensions that find formulas. @param {boolean} growing whether more of the text is to come
 * @returns {import("marked").TokenizerAndRendererExtension[]} */
export const formulas = (growing) => [
  {
    name: "formula",
    level: "block",
    start: (src) => BEGINS_BY_ITSELF.exec(src)?.index,
    tokenizer: (src) => block(src, growing),
    renderer: (token) => `<p>${element(/** @type {any} */ (token))}</p>\n`,
  },
  {
    name: "formula-within",
    level: "inline",
    start: (src) => BEGINS.exec(src)?.index,
    tokenizer: (src, tokens) => within(src, tokens.at(-1)?.raw ?? ""),
    renderer: (token) => element(/** @type {any} */ (token)),
  },
];

/** A formula that has its lines to itself. @param {string} src @param {boolean} growing @returns {Formula | undefined} */
function block(src, growing) {
  const indent = BY_ITSELF.exec(src)?.[0].length;
  const found = indent === undefined ? undefined : delimited(src.slice(indent), growing);
  if (indent === undefined || !found) return undefined;
  const raw = src.slice(0, indent) + found.raw;
  const rest = REST_OF_LINE.exec(src.slice(raw.length, raw.length + LONGEST));
  return rest ? { ...found, type: "formula", raw: raw + rest[0] } : undefined;
}

/** A formula in a line. @param {string} src @param {string} before what stands before it
 * @returns {Formula | undefined} */
function within(src, before) {
  const found = delimited(src, false);
  if (found) return { ...found, type: "formula-within" };
  if (!src.startsWith("$") || BEHIND_A_NAME.test(before)) return undefined;
  const [raw, tex] = WITHIN_DOLLARS.exec(src.slice(0, LONGEST)) ?? [];
  return raw && isTex(tex) ? { type: "formula-within", raw, tex, display: false, whole: true } : undefined;
}

/** What stands between the delimiters that a text begins with. @param {string} src
 * @param {boolean} growing whether it may go on behind the text's end
 * @returns {Omit<Formula, "type"> | undefined} */
function delimited(src, growing) {
  const pair = PAIRS[src.slice(0, 2)];
  if (!pair) return undefined;
  const part = src.slice(2, 2 + LONGEST);
  const [reach] = part.split(BLANK_LINE, 1);
  const end = reach.indexOf(pair.end);
  const whole = end >= 0;
  if (!whole && !(growing && reach.length === src.length - 2)) return undefined;
  const tex = (whole ? reach.slice(0, end) : reach).trim();
  if (whole && !tex) return undefined;
  return { raw: src.slice(0, whole ? end + 4 : src.length), tex, display: pair.display, whole };
}

/** Whether what stands between two dollars is clearly TeX, and not what is told between two prices.
 * @param {string} inner */
export function isTex(inner) {
  if (inner !== inner.trim()) return false;
  if (/^[a-zA-Z]'*$/.test(inner)) return true;
  const bare = inner.replaceAll(/\\[a-zA-Z]+|\{[^{}]*\}/g, " ");
  if (/\p{L}{3}/u.test(bare)) return false; // words
  if (/^[\d.,]/.test(inner)) return /[\\^_]|\d[a-zA-Z]\b.*[=+<>-]/.test(inner);
  return /[\\^_=<>]|^[a-zA-Z]\(|[a-zA-Z]\s?[+*/-]\s?[a-zA-Z\d]/.test(inner);
}

/** @param {Formula} formula */
function element({ tex, display, whole }) {
  const text = tex.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<tex-formula${display ? " display" : ""}${whole ? "" : " open"}>${text}</tex-formula>`;
}

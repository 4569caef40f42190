/** Where a text has formulas, and where dollars are money. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Marked } from "marked";
import { LONGEST, formulas, isTex } from "../../static/chat/js/tex.js";

const whole = new Marked({ gfm: true, extensions: formulas(false) });
const growing = new Marked({ gfm: true, extensions: formulas(true) });
const drawn = (/** @type {string} */ text, marked = whole) => /** @type {string} */ (marked.parse(text)).trim();
const found = (/** @type {string} */ text, marked = whole) =>
  [...drawn(text, marked).matchAll(/<tex-formula([^>]*)>(.*?)<\/tex-formula>/gs)].map(([, how, tex]) => [how.trim(), tex]);

test("the four ways to write a formula", () => {
  assert.deepEqual(found("so \\(a_1 + b_2\\) and $x^2$, then"), [["", "a_1 + b_2"], ["", "x^2"]]);
  assert.deepEqual(found("\\[\n\\int_0^1 f(x)\\,dx\n\\]"), [["display", "\\int_0^1 f(x)\\,dx"]]);
  assert.deepEqual(found("$$\na\n= b\n- c\n# d\n$$\n\nend"), [["display", "a\n= b\n- c\n# d"]]);
  assert.deepEqual(found("inside $$x$$ a line, \\[y\\] too"), [["display", "x"], ["display", "y"]]);
});

test("a formula by itself needs no blank line before it, and may be in a list or a quotation", () => {
  assert.equal(drawn("Then\n\\[x\\]\nso"), "<p>Then</p>\n<p><tex-formula display>x</tex-formula></p>\n<p>so</p>");
  assert.deepEqual(found("- one\n\n  $$\n  a_1\n  $$\n- \\(b\\)\n\n> \\[c\\]"), [["display", "a_1"], ["", "b"], ["display", "c"]]);
});

test("a formula's middle is no Markdown, and no markup", () => {
  assert.deepEqual(found("\\(a*b*c [d](e) <img>\\) *f*"), [["", "a*b*c [d](e) &lt;img&gt;"]]);
  assert.match(drawn("\\(a*b*c\\) *f*"), /<em>f<\/em>/);
  assert.deepEqual(found("\\(</tex-formula><script>\\)"), [["", "&lt;/tex-formula&gt;&lt;script&gt;"]]);
});

test("code is no formula", () => {
  assert.deepEqual(found("`$x^2$` and `\\(a\\)`\n\n```\n$$\na\n$$\n\\[b\\]\n```\n\n    $$c$$\n"), []);
});

test("money stays money", () => {
  for (const text of [
    "It costs $5 and $10.", "$5-$10 a month", "from $1,000 to $2,000", "US$5 = CA$7", "$5, €6, 7$", "$", "$$", "$$$ cheap",
    "$HOME/$USER", "export PATH=$HOME/bin:$PATH", "a $ b $ c", "$20 (about 18_000) and 30$", "I have $5 and you have 6$ left",
    "\\$x^2\\$", "tips: $3/$4/$5", "between 5$ and 10$", "$5k/$6k", "the $AAPL and $MSFT tickers",
  ]) assert.deepEqual(found(text), [], text);
});

test("what is clearly TeX between two dollars", () => {
  for (const tex of [
    "x", "n", "f'", "x^2", "a_i", "\\alpha", "E = mc^2", "a < b", "f(x)", "P(A|B)", "O(n \\log n)", "x_{max}", "a + b", "2x + 1 = 0",
    "3 \\times 4", "\\text{if } x > 0", "(a_1, a_2)", "n - 1",
  ]) assert.deepEqual(found(`so $${tex}$, yes`).length, 1, tex);
  for (const text of ["5", "5 and ", "1,000", "HOME/", " x", "x ", "", "and so on", "a,b"]) assert.ok(!isTex(text), text);
});

test("what has no end, is empty or is too long stays text", () => {
  for (const text of ["\\(a_1", "\\[ a", "$$\na", "\\(\\)", "$$ $$", "\\[\n\\]", "\\[a\n\nb\\]", `\\(${"x".repeat(LONGEST)}\\)`]) {
    assert.deepEqual(found(text), [], text.slice(0, 40));
  }
});

test("while a text grows, a formula by itself is one when it begins, until a blank line says that it is none", () => {
  assert.deepEqual(found("Then\n\\[\na\n- b", growing), [["display open", "a\n- b"]]);
  assert.deepEqual(found("$$\na\n= b", growing), [["display open", "a\n= b"]]);
  assert.deepEqual(found("\\(a\\) and \\(b", growing), [["", "a"]]);
  for (const text of ["it costs $5", "so $x^2", "a $$b", "\\[a\n\nb", `\\[${"x".repeat(LONGEST + 1)}`]) {
    assert.deepEqual(found(text, growing), [], text.slice(0, 40));
  }
});

test("what is said after the closing dollars is not lost", () => {
  assert.equal(drawn("$$x$$ is here\n\nend"), "<p><tex-formula display>x</tex-formula> is here</p>\n<p>end</p>");
  assert.equal(drawn("$$x$$ is here", growing), drawn("$$x$$ is here"));
});

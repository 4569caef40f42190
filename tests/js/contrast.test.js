/** The look's promise: body text keeps 7:1 and small text 4.5:1 on every sheet, whatever the picture behind it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../../static/chat/css/tokens.css", import.meta.url), "utf8");

/** @param {string} name */
function declared(name) {
  const found = new RegExp(`--${name}:\\s*([^;]+);`).exec(css);
  assert.ok(found, `tokens.css declares --${name}`);
  return found[1];
}

/** @param {string} name @param {"light" | "dark"} theme @returns {number[]} red, green, blue, opacity, from 0 to 1 */
function colour(name, theme) {
  const sides = [...declared(name).matchAll(/oklch\(([\d.]+)% ([\d.]+) ([\d.]+)(?: \/ ([\d.]+))?\)/g)];
  const [, l, c, h, a] = sides[theme === "light" ? 0 : 1] ?? sides[0];
  return [...fromOklch(Number(l) / 100, Number(c), Number(h)), a === undefined ? 1 : Number(a)];
}

/** @param {number} L @param {number} C @param {number} H */
function fromOklch(L, C, H) {
  const a = C * Math.cos((H * Math.PI) / 180);
  const b = C * Math.sin((H * Math.PI) / 180);
  const [l, m, s] = [L + 0.3963377774 * a + 0.2158037573 * b, L - 0.1055613458 * a - 0.0638541728 * b,
    L - 0.0894841775 * a - 1.291485548 * b].map((part) => part ** 3);
  return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s].map((x) => clamp(x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055));
}

/** @param {number} x */
const clamp = (x) => Math.min(1, Math.max(0, x));

/** What a backdrop-filter leaves of a picture's colour. Blur only averages, so the ends of the scale bound every picture.
 * @param {number[]} rgb @param {"light" | "dark"} theme */
function frosted(rgb, theme) {
  return [...declared(`frost-${theme}`).matchAll(/(saturate|contrast|brightness)\(([\d.]+)\)/g)].reduce((now, [, name, by]) => {
    const factor = Number(by);
    if (name === "contrast") return now.map((x) => clamp((x - 0.5) * factor + 0.5));
    if (name === "brightness") return now.map((x) => clamp(x * factor));
    const grey = 0.213 * now[0] + 0.715 * now[1] + 0.072 * now[2];
    return now.map((x) => clamp(grey + (x - grey) * factor));
  }, rgb);
}

/** @param {number[]} top with its opacity @param {number[]} below */
const over = (top, below) => below.slice(0, 3).map((x, at) => top[at] * top[3] + x * (1 - top[3]));

/** @param {number[]} rgb */
function luminance(rgb) {
  const [r, g, b] = rgb.map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {number[]} one @param {number[]} other */
function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

const steps = [0, 0.25, 0.5, 0.75, 1];
const pictures = steps.flatMap((r) => steps.flatMap((g) => steps.map((b) => [r, g, b])));

for (const theme of /** @type {const} */ (["light", "dark"])) {
  for (const sheet of ["sheet", "rail"]) {
    for (const [ink, least] of /** @type {[string, number][]} */ ([["ink", 7], ["ink-2", 4.5], ["ink-3", 4.5], ["good", 4.5], ["bad", 4.5]])) {
      test(`--${ink} keeps ${least}:1 on the ${theme} ${sheet}, over any picture`, () => {
        const worst = Math.min(...pictures.map((picture) => {
          const ground = over(colour(sheet, theme), frosted(picture, theme));
          return contrast(colour(ink, theme), ground);
        }));
        assert.ok(worst >= least, `the worst is ${worst.toFixed(2)}:1`);
      });
    }
  }
  test(`--ink keeps 7:1 on wells and raised parts of the ${theme} sheet`, () => {
    for (const part of ["sink", "sink-2", "raise"]) {
      for (const picture of pictures) {
        const ground = over(colour(part, theme), over(colour("sheet", theme), frosted(picture, theme)));
        const ratio = contrast(colour("ink", theme), ground);
        assert.ok(ratio >= 7, `${part} over ${picture}: ${ratio.toFixed(2)}:1`);
      }
    }
  });
  test(`the words of one's own messages keep 4.5:1 on the ${theme} default accent`, () => {
    assert.ok(contrast(colour("accent-ink", theme), colour(`accent-${theme}`, theme)) >= 4.5);
  });
}

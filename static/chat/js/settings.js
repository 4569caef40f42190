/** What a person sets for this browser: theme, dimmer, pictures on or off. theme.js applies them at the next load. */

/** @typedef {"auto" | "light" | "dark"} Theme */

const root = document.documentElement;

export const settings = {
  /** @returns {Theme} */
  get theme() {
    return /** @type {Theme} */ (localStorage.getItem("backdrop:theme") ?? "auto");
  },
  set theme(theme) {
    localStorage.setItem("backdrop:theme", theme);
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  },
  /** Percent of dark or light laid over the picture. */
  get dim() {
    return Number(localStorage.getItem("backdrop:dim") ?? 0);
  },
  set dim(percent) {
    localStorage.setItem("backdrop:dim", String(percent));
    root.style.setProperty("--dim", `${percent}%`);
  },
  get pictures() {
    return localStorage.getItem("backdrop:pictures") !== "off";
  },
  set pictures(on) {
    localStorage.setItem("backdrop:pictures", on ? "on" : "off");
    if (on) delete root.dataset.pictures;
    else root.dataset.pictures = "off";
  },
};

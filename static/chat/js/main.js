/** The page's start: its elements, and what connects the list of threads with the open one. */
import "chat/elements/room.js";
import "chat/elements/composer.js";
import "chat/elements/backdrop-panel.js";
import "chat/elements/picture-gallery.js";
import "chat/elements/thread-list.js";
import "chat/elements/thread-view.js";
import "chat/links.js";
import { act, arrange, confirm, ref } from "chat/dom.js";
import { thumbnail } from "chat/elements/lightbox.js";
import { toggle } from "chat/elements/menu.js";
import { page } from "chat/page.js";

/** @typedef {import("chat/elements/thread-list.js").ThreadList} ThreadList */
/** @typedef {import("chat/elements/thread-view.js").ThreadView} ThreadView */

const list = /** @type {ThreadList | null} */ (document.querySelector("thread-list"));
const view = /** @type {ThreadView | null} */ (document.querySelector("thread-view"));
const app = document.querySelector(".app");

/** @param {string | null} id */
function go(id) {
  if (!view) return location.assign(id ? `/threads/${id}/` : "/");
  const path = id ? `/threads/${id}/` : "/";
  if (path !== location.pathname) history.pushState(null, "", path);
  view.open(id);
}

/** The phone's drawer. @param {boolean} open */
function drawer(open) {
  app?.toggleAttribute("data-drawer", open);
  const opener = /** @type {HTMLElement | null} */ (document.querySelector('[data-act="drawer"]'));
  if (open) /** @type {HTMLElement | null} */ (document.querySelector(".rail .new"))?.focus();
  else if (opener?.getAttribute("aria-expanded") === "true") opener.focus();
  opener?.setAttribute("aria-expanded", String(open));
}

const fromPath = () => /^\/threads\/([^/]+)\/$/.exec(location.pathname)?.[1] ?? null;

document.addEventListener("open-thread", (event) => go(/** @type {CustomEvent} */ (event).detail));
document.addEventListener("thread-removed", (event) => {
  if (view && /** @type {CustomEvent} */ (event).detail === view.threadId) go(null);
});
document.addEventListener("thread-opened", (event) => {
  if (list) list.current = /** @type {CustomEvent} */ (event).detail;
  document.querySelector("[data-thread-only]")?.toggleAttribute("hidden", !view?.threadId);
  drawer(false);
});
document.addEventListener("choose-backdrop", (event) => void view?.use(/** @type {CustomEvent} */ (event).detail));
window.addEventListener("popstate", () => view?.open(fromPath()));

act(document.body, {
  "new": (_, event) => {
    if (!view || /** @type {MouseEvent} */ (event).metaKey || /** @type {MouseEvent} */ (event).ctrlKey) return;
    event.preventDefault();
    go(null);
  },
  "drawer": () => drawer(!app?.hasAttribute("data-drawer")),
  "shade": () => drawer(false),
  "popover": (button) => toggle(/** @type {HTMLElement} */ (document.getElementById(button.dataset.popover ?? "")), button),
  "rename-title": () => void renameTitle(),
  "delete-thread": () => {
    document.getElementById("thread-options")?.hidePopover();
    if (view?.threadId) void list?.delete(view.threadId);
  },
});

document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && list) {
    event.preventDefault();
    if (matchMedia("(max-width: 760px)").matches) drawer(true);
    list.focusSearch();
  }
  if (event.key === "Escape" && app?.hasAttribute("data-drawer")) drawer(false);
});

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => void ask(/** @type {SubmitEvent} */ (event)));
}

if (view) {
  const strip = document.querySelector("[data-ref=recent-pictures]");
  if (strip && page.recent_images?.length) arrange(strip, page.recent_images.map(thumbnail));
  view.open(page.thread_id);
}

/** @param {SubmitEvent} event */
async function ask(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  event.preventDefault();
  const { confirm: text = "", yes = "Yes", title = "Are you sure?" } = form.dataset;
  if (await confirm({ title, text, yes })) form.submit();
}

/** The title becomes a field where it stands. */
function renameTitle() {
  document.getElementById("thread-options")?.hidePopover();
  if (!view?.thread) return;
  const chip = ref(view, "title");
  const field = document.createElement("input");
  field.className = "chip rename";
  field.maxLength = 120;
  field.value = view.thread.title;
  field.setAttribute("aria-label", "Title of this thread");
  chip.hidden = true;
  chip.after(field);
  field.select();
  let over = false;
  const done = (/** @type {boolean} */ keep) => {
    if (over) return; // removing the field blurs it, which ends here again
    over = true;
    const title = field.value.trim();
    field.remove();
    chip.hidden = false;
    if (keep && title && title !== view.thread?.title) void view.rename(title);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) done(true);
    if (event.key === "Escape") done(false);
  });
  field.addEventListener("blur", () => done(true));
}

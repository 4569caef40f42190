/**
 * <thread-list>: the person's threads, grouped by day, with their running and unread marks; search in them.
 *
 * Events: `open-thread` (detail: id), `thread-removed` (detail: id).
 *
 * @typedef {import("chat/types.js").ThreadEntry} ThreadEntry
 */
import { get, patch, remove } from "chat/api.js";
import { act, arrange, clone, confirm, mark, ref, report, say } from "chat/dom.js";
import { toggle } from "chat/elements/menu.js";
import { ThreadsSocket } from "chat/socket.js";
import { dayGroup } from "chat/time.js";
import { isUnread, setUnread } from "chat/unread.js";

const SEARCH_AFTER_MS = 180;
const GROUPS = ["Today", "Yesterday", "Last week", "Earlier"];

export class ThreadList extends HTMLElement {
  /** @type {Map<string, ThreadEntry>} */ #threads = new Map();
  /** @type {Map<string, HTMLElement>} */ #items = new Map();
  /** @type {Map<string, HTMLElement>} */ #groups = new Map();
  /** @type {ThreadEntry[] | null} found threads, newest first; null without a search */ #found = null;
  /** @type {string | null} */ #current = null;
  #socket = new ThreadsSocket();
  #search = 0;
  #off = new AbortController();

  connectedCallback() {
    this.#off = new AbortController();
    const { signal } = this.#off;
    this.#socket.addEventListener("frame", (event) => this.#take(/** @type {CustomEvent} */ (event).detail), { signal });
    this.#socket.open();
    const field = ref(this, "search");
    field.addEventListener("input", () => {
      clearTimeout(this.#search);
      this.#search = setTimeout(() => void this.#find(field.value.trim()), field.value ? SEARCH_AFTER_MS : 0);
    }, { signal });
    field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      field.value = "";
      void this.#find("");
    }, { signal });
    act(this, {
      open: (link, event) => this.#open(link, /** @type {MouseEvent} */ (event)),
      menu: (button) => this.#menu(button),
    }, signal);
  }

  disconnectedCallback() {
    this.#off.abort();
    this.#socket.close();
  }

  focusSearch() {
    ref(this, "search").select();
  }

  /** The thread that is open. @param {string | null} threadId */
  set current(threadId) {
    this.#current = threadId;
    if (threadId) setUnread(threadId, false);
    this.#draw();
  }

  /** Lets the person change a thread's title where it stands. @param {string} id */
  rename(id) {
    const item = this.#items.get(id);
    const entry = this.#threads.get(id);
    if (!item || !entry) return;
    const field = /** @type {HTMLInputElement} */ (clone("rename-field"));
    const link = ref(item, "link");
    field.value = entry.title;
    link.hidden = true;
    item.prepend(field);
    field.select();
    let over = false;
    const done = (/** @type {boolean} */ keep) => {
      if (over) return; // removing the field blurs it, which ends here again
      over = true;
      const title = field.value.trim();
      field.remove();
      link.hidden = false;
      link.focus();
      if (keep && title && title !== entry.title) {
        patch(`/threads/${id}`, { title }).catch((error) => report("The title stays as it was", error));
      }
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) done(true);
      if (event.key === "Escape") done(false);
    });
    field.addEventListener("blur", () => done(true));
  }

  /** Asks, and deletes a thread. @param {string} id */
  async delete(id) {
    const title = this.#threads.get(id)?.title || "This thread";
    const yes = await confirm({
      title: "Delete this thread?",
      text: `“${title}” goes with its messages and pictures. This cannot be undone.`,
      yes: "Delete",
    });
    if (!yes) return;
    try {
      await remove(`/threads/${id}`);
      this.#gone(id);
    } catch (error) {
      await report("The thread is still there", error);
    }
  }

  /** @param {import("chat/types.js").Frame} frame */
  #take(frame) {
    if (frame.type === "threads") {
      const before = this.#threads;
      this.#threads = new Map(frame.threads.map((/** @type {ThreadEntry} */ entry) => [entry.id, entry]));
      for (const entry of this.#threads.values()) this.#notice(before.get(entry.id), entry);
    } else if (frame.type === "thread_changed") {
      this.#notice(this.#threads.get(frame.thread.id), frame.thread);
      this.#threads.set(frame.thread.id, frame.thread);
    } else if (frame.type === "thread_removed") {
      this.#gone(frame.thread_id);
    }
    this.#draw();
  }

  /** A thread that finished while another was open is unread. @param {ThreadEntry | undefined} before
   * @param {ThreadEntry} now */
  #notice(before, now) {
    if (before?.running && !now.running && (now.id !== this.#current || document.hidden)) setUnread(now.id, true);
  }

  /** @param {string} id */
  #gone(id) {
    if (!this.#threads.delete(id)) return;
    setUnread(id, false);
    this.#items.delete(id);
    this.#found = this.#found?.filter((entry) => entry.id !== id) ?? null;
    this.#draw();
    this.dispatchEvent(new CustomEvent("thread-removed", { bubbles: true, detail: id }));
  }

  /** @param {HTMLElement} link @param {MouseEvent} event */
  #open(link, event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || !document.querySelector("thread-view")) return;
    event.preventDefault();
    const id = link.closest("li")?.dataset.id;
    this.dispatchEvent(new CustomEvent("open-thread", { bubbles: true, detail: id }));
  }

  /** @param {HTMLElement} button */
  #menu(button) {
    const id = button.closest("li")?.dataset.id ?? "";
    const menu = /** @type {HTMLElement} */ (clone("thread-menu"));
    act(menu, {
      rename: () => { menu.hidePopover(); this.rename(id); },
      delete: () => { menu.hidePopover(); void this.delete(id); },
    });
    document.body.append(menu);
    menu.addEventListener("toggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === "closed") menu.remove();
    });
    toggle(menu, button);
  }

  /** @param {string} words */
  async #find(words) {
    if (!words) {
      this.#found = null;
      return this.#draw();
    }
    const { threads } = await get(`/threads?q=${encodeURIComponent(words)}`);
    if (ref(this, "search").value.trim() !== words) return; // the person typed on
    this.#found = threads;
    this.#draw();
  }

  #draw() {
    const now = new Date();
    const newest = [...this.#threads.values()].filter((entry) => !entry.archived)
      .sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
    /** @type {[string, ThreadEntry[]][]} */
    const groups = this.#found
      ? [["Found", this.#found]]
      : GROUPS.map((name) => [name, newest.filter((entry) => dayGroup(entry.updated_at, now) === name)]);
    const drawn = groups.filter(([, entries]) => entries.length).map(([name, entries]) => {
      const group = this.#group(name);
      arrange(ref(group, "items"), entries.map((entry) => this.#item(entry)));
      return group;
    });
    arrange(ref(this, "groups"), drawn);
    ref(this, "nothing").hidden = !this.#found || this.#found.length > 0;
    mark(ref(this, "new"), "aria-current", this.#current === null && document.querySelector("thread-view") ? "page" : null);
  }

  /** @param {string} name */
  #group(name) {
    let group = this.#groups.get(name);
    if (!group) {
      group = clone("thread-group");
      ref(group, "name").textContent = name;
      this.#groups.set(name, group);
    }
    return group;
  }

  /** @param {ThreadEntry} entry */
  #item(entry) {
    const { id } = entry;
    let item = this.#items.get(id);
    if (!item) {
      item = clone("thread-item");
      item.dataset.id = id;
      ref(item, "link").href = `/threads/${id}/`;
      this.#items.set(id, item);
    }
    const live = this.#threads.get(id) ?? entry;
    const title = live.title || "New thread";
    const unread = isUnread(id) && id !== this.#current;
    say(ref(item, "title"), title);
    mark(ref(item, "link"), "aria-current", id === this.#current ? "page" : null);
    mark(ref(item, "menu"), "aria-label", `Options of ${title}`);
    const state = live.running ? "running" : unread ? "unread" : "";
    mark(item, "data-state", state || null);
    say(ref(item, "state"), { running: "answering", unread: "new answer", "": "" }[state] ?? "");
    return item;
  }
}

customElements.define("thread-list", ThreadList);

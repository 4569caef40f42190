/** Threads that finished while nobody looked, remembered by this browser. */

const KEY = "backdrop:unread";

/** @returns {Set<string>} */
const read = () => new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
/** @param {Set<string>} ids */
const write = (ids) => localStorage.setItem(KEY, JSON.stringify([...ids]));

/** @param {string} id */
export const isUnread = (id) => read().has(id);

/** @param {string} id @param {boolean} unread */
export function setUnread(id, unread) {
  const ids = read();
  if (ids.has(id) === unread) return;
  if (unread) ids.add(id);
  else ids.delete(id);
  write(ids);
}

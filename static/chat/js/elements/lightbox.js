/**
 * A picture, large, with its prompt and what can be done with it.
 *
 * What is chosen leaves as an event on the document: `use-as-backdrop` and `delete-picture`, with the picture as detail.
 *
 * @typedef {import("chat/types.js").Picture} Picture
 */
import { act, clone, ref, show } from "chat/dom.js";

/** @param {Picture} picture */
export async function enlarge(picture) {
  const dialog = /** @type {HTMLDialogElement} */ (clone("lightbox"));
  const image = ref(dialog, "image");
  image.src = picture.url;
  image.alt = picture.prompt;
  image.width = picture.width;
  image.height = picture.height;
  image.style.setProperty("--ratio", String(picture.width / picture.height));
  ref(dialog, "prompt").textContent = picture.prompt || "An uploaded picture";
  ref(dialog, "made").textContent = new Date(picture.created_at)
    .toLocaleDateString(undefined, { day: "numeric", month: "long", year: "numeric" });
  ref(dialog, "size").textContent = `${picture.width} × ${picture.height}`;
  ref(dialog, "download").href = picture.url;
  const thread = ref(dialog, "thread");
  thread.hidden = !picture.thread_id || location.pathname === `/threads/${picture.thread_id}/`;
  thread.href = `/threads/${picture.thread_id}/`;
  const tell = (/** @type {string} */ type) => () => {
    dialog.close();
    document.dispatchEvent(new CustomEvent(type, { detail: picture }));
  };
  act(dialog, {
    backdrop: tell("use-as-backdrop"),
    delete: tell("delete-picture"),
    close: () => dialog.close(),
  });
  ref(dialog, "delete").hidden = !document.querySelector("picture-gallery");
  await show(dialog);
}

/** A small picture that opens large. @param {Picture} picture */
export function thumbnail(picture) {
  const button = clone("thumbnail");
  const image = ref(button, "image");
  image.src = picture.thumbnail_url;
  image.alt = picture.prompt || "An uploaded picture";
  button.style.setProperty("--ratio", String(picture.width / picture.height));
  button.addEventListener("click", () => void enlarge(picture));
  return button;
}

/** Links that leave the site: shown with their address before they open. */
import { clone, ref, show } from "chat/dom.js";

document.addEventListener("click", open);
document.addEventListener("auxclick", open);

/** @param {MouseEvent} event */
async function open(event) {
  const link = /** @type {Element} */ (event.target).closest?.("a[data-external]");
  if (!(link instanceof HTMLAnchorElement) || event.button > 1) return;
  event.preventDefault();
  const { href } = link;
  const { host } = new URL(href);
  const dialog = /** @type {HTMLDialogElement} */ (clone("link-dialog"));
  ref(dialog, "host").textContent = host;
  ref(dialog, "address").textContent = href;
  if (await show(dialog) === "yes") window.open(href, "_blank", "noopener,noreferrer");
}

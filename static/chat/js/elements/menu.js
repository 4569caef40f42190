/** Popovers that open beside what opened them, and the little rules of menus (arrows, Escape gives the focus back). */

const GAP = 6;

/** Places a popover under its opener, inside the window. @param {HTMLElement} popover @param {Element} opener */
function place(popover, opener) {
  const box = opener.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const left = Math.min(Math.max(8, box.right - width), innerWidth - width - 8);
  const below = box.bottom + GAP + height < innerHeight - 8;
  popover.style.left = `${left}px`;
  popover.style.top = `${below ? box.bottom + GAP : Math.max(8, box.top - GAP - height)}px`;
}

/** Opens the popover at the opener, or closes it. @param {HTMLElement} popover @param {HTMLElement} opener */
export function toggle(popover, opener) {
  if (popover.matches(":popover-open")) return popover.hidePopover();
  popover.showPopover();
  place(popover, opener);
  opener.setAttribute("aria-expanded", "true");
  popover.addEventListener("toggle", function closed(event) {
    if (/** @type {ToggleEvent} */ (event).newState !== "closed") return;
    popover.removeEventListener("toggle", closed);
    opener.setAttribute("aria-expanded", "false");
  });
  /** @type {HTMLElement | null} */ (popover.querySelector("button, input, a"))?.focus();
}

document.addEventListener("keydown", (event) => {
  const menu = /** @type {Element} */ (event.target).closest?.('[role="menu"]');
  if (!menu || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
  event.preventDefault();
  const items = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll('[role="menuitem"]')]).filter((one) => !one.hidden);
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  items.at((at + (event.key === "ArrowDown" ? 1 : -1)) % items.length)?.focus();
});

/** Small hands for the DOM: clone a template, find its parts, open a dialog. */

/** A copy of a `<template>`'s one element. @param {string} id @returns {HTMLElement} */
export function clone(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
}

/** The element that `data-ref` names below a root. @param {ParentNode} root @param {string} name @returns {any} */
export const ref = (root, name) => root.querySelector(`[data-ref="${name}"]`);

/** Sets text only where it differs, so that a selection and a screen reader are left alone.
 * @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or removes an attribute only where it differs. @param {Element} element @param {string} name
 * @param {string | boolean | null | undefined} value */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
}

/** Shows the elements in this order, moving and removing only what has to be.
 * @param {Element} parent @param {readonly Element[]} wanted */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((element, at) => {
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
  });
}

/** Listens for clicks on elements with `data-act` and calls the action of that name.
 * @param {HTMLElement} root @param {Record<string, (element: HTMLElement, event: Event) => void>} actions
 * @param {AbortSignal} [signal] */
export function act(root, actions, signal) {
  root.addEventListener("click", (event) => {
    const element = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-act]"));
    const action = element && root.contains(element) ? actions[element.dataset.act ?? ""] : undefined;
    if (element && action) action(element, event);
  }, { signal });
}

/** Asks a question in a dialog. @param {{title: string, text: string, yes: string}} question @returns {Promise<boolean>} */
export function confirm({ title, text, yes }) {
  const dialog = /** @type {HTMLDialogElement} */ (clone("confirm-dialog"));
  ref(dialog, "title").textContent = title;
  ref(dialog, "text").textContent = text;
  ref(dialog, "yes").textContent = yes;
  return show(dialog).then((answer) => answer === "yes");
}

/** Says in a dialog what went wrong. @param {string} title @param {unknown} error */
export async function report(title, error) {
  const dialog = /** @type {HTMLDialogElement} */ (clone("confirm-dialog"));
  ref(dialog, "title").textContent = title;
  ref(dialog, "text").textContent = error instanceof Error ? error.message : "Try again in a moment.";
  ref(dialog, "yes").remove();
  ref(dialog, "no").textContent = "Close";
  await show(dialog);
}

/** Shows a dialog until it is answered, and gives the focus back. @param {HTMLDialogElement} dialog
 * @returns {Promise<string>} */
export function show(dialog) {
  document.body.append(dialog);
  dialog.returnValue = "";
  dialog.showModal();
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    }, { once: true });
  });
}

/** Reads a line out to those who listen. @param {string} text */
export function announce(text) {
  const region = document.getElementById("announcer");
  if (!region) return;
  const line = document.createElement("p");
  line.textContent = text;
  region.replaceChildren(line);
}

/** Copies, and says so on the button. @param {HTMLElement} button @param {string} text */
export async function copy(button, text) {
  await navigator.clipboard.writeText(text);
  const label = ref(button, "label") ?? button;
  const before = label.textContent;
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = before; }, 1500);
}

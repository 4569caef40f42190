/** The transcripts of the administrator's pages: Markdown, drawn as the person saw it. Without it the text stands as it is. */
import { Prose } from "chat/markdown.js";

for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".said[data-markdown]"))) {
  const text = element.textContent ?? "";
  element.replaceChildren();
  element.className = "prose";
  new Prose(element).update(text, false);
}

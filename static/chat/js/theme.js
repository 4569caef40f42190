/**
 * Light, dark, or as the system says, and the person's own dimmer: set before the first paint.
 * A classic script in the head, because a module would come too late and show the wrong page for a moment.
 */
{
  const root = document.documentElement;
  const read = (/** @type {string} */ name) => {
    try {
      return localStorage.getItem(`backdrop:${name}`);
    } catch {
      return null; // storage is off: the defaults hold
    }
  };
  const theme = read("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  if (read("pictures") === "off") root.dataset.pictures = "off";
  const dim = Number(read("dim") ?? 0);
  if (dim > 0 && dim <= 80) root.style.setProperty("--dim", `${dim}%`);
}

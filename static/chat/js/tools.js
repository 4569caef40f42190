/** How tool calls are put into words. @typedef {import("chat/types.js").ToolCall} ToolCall */

/** @type {Record<string, Record<string, string>>} */
const WORDS = {
  generate_image: {
    running: "Painting", waiting: "Wants to paint", succeeded: "Painted", failed: "Could not paint",
    cancelled: "Stopped painting", rejected: "Did not paint",
  },
  set_background: {
    running: "Changing the backdrop", waiting: "Wants to change the backdrop", succeeded: "Changed the backdrop",
    failed: "Could not change the backdrop", cancelled: "Left the backdrop", rejected: "Left the backdrop",
  },
};

/** What it does or did. @param {ToolCall} call */
export function title(call) {
  return WORDS[call.name]?.[call.status] ?? sentence(call.name);
}

/** What it was asked, in one line. @param {ToolCall} call */
export function asked(call) {
  const { args } = call;
  if (call.name === "set_background" && args.kind !== "color" && args.kind !== "gradient") {
    return args.kind === "none" ? "to none" : "to a picture";
  }
  const value = args.prompt ?? args.value ?? args.query ?? Object.values(args).find((one) => typeof one === "string");
  return typeof value === "string" ? value : "";
}

/** Width by height of the picture that will come, or 0 when none will. @param {ToolCall} call */
export function ratio(call) {
  if (call.name !== "generate_image") return 0;
  return { portrait: 2 / 3, square: 1 }[String(call.args.size)] ?? 3 / 2;
}

/** @param {string} name */
function sentence(name) {
  const words = name.replaceAll(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

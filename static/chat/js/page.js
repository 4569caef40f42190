/**
 * What the server said about this page when it made it.
 *
 * @typedef {import("chat/types.js").Thread} Thread
 * @typedef {import("chat/types.js").Picture} Picture
 * @type {{user: {name: string, is_staff: boolean} | null, thread_id: string | null, thread: Thread | null,
 *   model: {name: string, label: string, demo: boolean, notice: string | null},
 *   limits: {text_max: number, upload_max_bytes: number, images_max: number}, recent_images: Picture[]}}
 */
export const page = JSON.parse(document.getElementById("page")?.textContent ?? "{}");

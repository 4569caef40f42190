/**
 * The protocol's objects as JSDoc types; chat/objects.py is their source.
 *
 * @typedef {{light: string, dark: string}} Accent
 * @typedef {{kind: "image", image_id: string, url: string, accent?: Accent | null}
 *   | {kind: "color" | "gradient", value: string}} Background
 * @typedef {{id: string, title: string, background: Background | null, head_id: string | null, archived: boolean,
 *   model: string, created_at: string, updated_at: string}} Thread
 * @typedef {Thread & {running: boolean}} ThreadEntry
 * @typedef {{id: string, thread_id: string | null, run_id: string | null, tool_call_id: string | null, prompt: string,
 *   url: string, thumbnail_url: string, width: number, height: number, accent?: Accent | null, created_at: string}} Picture
 * @typedef {"running" | "succeeded" | "failed" | "cancelled" | "rejected" | "waiting"} ToolCallStatus
 * @typedef {{id: string, run_id: string, message_id: string, name: string, args: Record<string, unknown>,
 *   status: ToolCallStatus, progress: number | null, text: string, preview_url: string | null, result: string | null,
 *   error: string | null, text_offset: number, started_at: string, duration_ms: number | null}} ToolCall
 * @typedef {"streaming" | "complete" | "stopped" | "failed" | "queued"} MessageStatus
 * @typedef {{id: string, thread_id: string, run_id: string | null, parent_id: string | null, role: "user" | "assistant",
 *   text: string, reasoning: string, status: MessageStatus, attachments: Picture[], tool_calls: ToolCall[],
 *   images: Picture[], sibling_index: number, sibling_count: number, error: RunError | null, elapsed_ms: number | null,
 *   created_at: string}} Message
 * @typedef {{code: string, message: string, retryable: boolean}} RunError
 * @typedef {"queued" | "running" | "interrupted" | "completed" | "failed" | "stopped"} RunStatus
 * @typedef {{id: string, thread_id: string, message_id: string | null, status: RunStatus, attempt: number,
 *   recovered: boolean, current_step: string | null, error: RunError | null, usage: Record<string, number> | null, created_at: string,
 *   started_at: string | null, ended_at: string | null}} Run
 * @typedef {{type: string, seq?: number, run_id?: string, [field: string]: any}} Frame
 * @typedef {{type: string, id: string, [field: string]: unknown}} Command
 */
export {};

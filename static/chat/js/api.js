/** The HTTP API, /api/v1, with the session's cookie. */

/** An answer that is no success: `code` and `message` as the protocol has them. */
export class ApiError extends Error {
  /** @param {number} status @param {{code?: string, message?: string}} body */
  constructor(status, body) {
    super(body.message ?? "The server did not answer as it should. Try again in a moment.");
    this.status = status;
    this.code = body.code ?? "unavailable";
  }
}

/** @param {string} path @returns {Promise<any>} */
export const get = (path) => call("GET", path);
/** @param {string} path @param {object | FormData} body @returns {Promise<any>} */
export const post = (path, body) => call("POST", path, body);
/** @param {string} path @param {object} body @returns {Promise<any>} */
export const patch = (path, body) => call("PATCH", path, body);
/** @param {string} path @returns {Promise<any>} */
export const remove = (path) => call("DELETE", path);

/** @param {string} method @param {string} path @param {object | FormData} [body] */
async function call(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (body && !(body instanceof FormData)) headers["Content-Type"] = "application/json";
  const response = await fetch(`/api/v1${path}`, {
    method, headers, body: body instanceof FormData || !body ? body : JSON.stringify(body), credentials: "same-origin",
  }).catch(() => {
    throw new ApiError(0, { code: "unavailable", message: "The server cannot be reached. Check your connection." });
  });
  if (response.status === 401) location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`);
  const text = await response.text();
  const json = (response.headers.get("Content-Type") ?? "").includes("json");
  const answer = text && json ? JSON.parse(text) : null;
  if (!response.ok) throw new ApiError(response.status, answer ?? {});
  return answer;
}

function csrfToken() {
  return /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf-token"]'))?.content ?? "";
}

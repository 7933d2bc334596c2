/**
 * `fetch` with errors a person can read. Input: same-origin API paths. Output: parsed bodies, or an ApiError whose text is what the API said.
 */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** The message of anything thrown, without the "Error:" prefix. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

async function failure(response: Response): Promise<ApiError> {
  const text = await response.text();
  let message = text.trim().slice(0, 2000);
  try {
    const body = JSON.parse(text) as string | { error?: string; message?: string; errors?: { msg?: string }[] | null };
    message = typeof body === 'string' ? body : (body.error ?? body.message ?? body.errors?.[0]?.msg ?? message);
  } catch {
    // not JSON: the text itself is the message
  }
  const fallback = `${response.status} ${response.statusText}`.trim();
  return new ApiError(message || fallback, response.status);
}

async function request(url: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(`the server does not answer (${errorText(error)})`, 0);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  return (await request(url, { signal })).json() as Promise<T>;
}

export async function getText(url: string, signal?: AbortSignal): Promise<string> {
  return (await request(url, { signal })).text();
}

export async function postJson<T>(url: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return (await request(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal })).json() as Promise<T>;
}

export async function deleteAt(url: string, signal?: AbortSignal): Promise<void> {
  await request(url, { method: 'DELETE', signal });
}

/** Whether the server has no such API. */
export function isMissing(error: unknown): boolean {
  return error instanceof ApiError && [404, 405, 501].includes(error.status);
}

export async function postForm<T>(url: string, form: URLSearchParams, signal?: AbortSignal): Promise<T> {
  return (await request(url, { method: 'POST', body: form, signal })).json() as Promise<T>;
}
